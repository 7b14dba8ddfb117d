# The check of a module's arguments against its spec, options within options included.
from __future__ import absolute_import

from copy import deepcopy

from ansible.module_utils.common._collections_compat import Mapping
from ansible.module_utils.common.collections import is_iterable
from ansible.module_utils.common.parameters import (
    _inner, get_type_validator, handle_aliases, list_deprecations, list_no_log_values, match_choice, native_type_name,
    set_defaults, set_fallbacks)
from ansible.module_utils.common.text.converters import to_native
from ansible.module_utils.common.validation import (
    check_mutually_exclusive, check_required_arguments, check_required_by, check_required_if, check_required_one_of,
    check_required_together, check_type_dict)
from ansible.module_utils.common.warnings import deprecate, warn
from ansible.module_utils.errors import (
    AliasError, AnsibleValidationErrorMultiple, ArgumentTypeError, ArgumentValueError, ElementError, MutuallyExclusiveError,
    NoLogError, RequiredByError, RequiredError, RequiredIfError, RequiredOneOfError, RequiredTogetherError,
    SubParameterTypeError, UnsupportedError)
from ansible.module_utils.six import string_types

_RELATIONS = (
    ('required_together', check_required_together, RequiredTogetherError),
    ('required_one_of', check_required_one_of, RequiredOneOfError),
    ('required_if', check_required_if, RequiredIfError),
    ('required_by', check_required_by, RequiredByError))


class ValidationResult(object):
    def __init__(self, parameters):
        self._no_log_values = set()
        self._unsupported_parameters = set()
        self._supported_parameters = {}
        self._validated_parameters = deepcopy(parameters)
        self._deprecations = []
        self._warnings = []
        self._aliases = {}
        self.errors = AnsibleValidationErrorMultiple()

    @property
    def validated_parameters(self):
        return self._validated_parameters

    @property
    def unsupported_parameters(self):
        return self._unsupported_parameters

    @property
    def error_messages(self):
        return self.errors.messages


class ArgumentSpecValidator(object):
    def __init__(self, argument_spec, mutually_exclusive=None, required_together=None, required_one_of=None,
                 required_if=None, required_by=None):
        self.argument_spec = argument_spec
        self._relations = dict(
            mutually_exclusive=mutually_exclusive, required_together=required_together, required_one_of=required_one_of,
            required_if=required_if, required_by=required_by)
        self._valid_parameter_names = set(_legal(argument_spec))

    def validate(self, parameters, *args, **kwargs):
        result = ValidationResult(parameters)
        _check(result, self.argument_spec, self._relations, result._validated_parameters)
        if result._unsupported_parameters:
            # What the innermost place would take is told.
            unsupported = sorted(result._unsupported_parameters, key=lambda one: one if isinstance(one, tuple) else (one,))
            names, aliases = result._supported_parameters[max(unsupported, key=lambda one: isinstance(one, tuple) and len(one))]
            result.errors.append(UnsupportedError('%s. Supported parameters include: %s%s.' % (
                ', '.join(sorted('.'.join(one) if isinstance(one, tuple) else one for one in unsupported)), ', '.join(sorted(names)),
                ' (%s)' % ', '.join(sorted(aliases)) if aliases else '')))
        return result


class ModuleArgumentSpecValidator(ArgumentSpecValidator):
    """One that warns of what it finds."""

    def validate(self, parameters, *args, **kwargs):
        result = super(ModuleArgumentSpecValidator, self).validate(parameters)
        for found in result._deprecations:
            deprecate(found['msg'] if 'msg' in found else
                      "Alias '%s' is deprecated. See the module docs for more information" % found['name'],
                      version=found.get('version'), date=found.get('date'), collection_name=found.get('collection_name'))
        for option, alias in result._warnings:
            warn('Both option %s and its alias %s are set.' % (option, alias))
        return result


def _legal(spec):
    for name, option in spec.items():
        yield name
        for alias in option.get('aliases') or []:
            yield alias


def _check(result, spec, relations, values, context=(), prefix=''):
    """Checks one level of options, and then those inside."""
    add = result.errors.append

    def attempt(error, function, *args):
        try:
            function(*args)
        except TypeError as problem:
            add(error(to_native(problem)))

    result._no_log_values.update(set_fallbacks(spec, values))
    aliases = {}
    try:
        aliases, warnings, deprecations = handle_aliases(spec, values, prefix)
        result._warnings.extend(warnings)
        result._deprecations.extend(deprecations)
    except (TypeError, ValueError) as problem:
        add(AliasError(to_native(problem)))
    if not context:
        result._aliases = aliases
        try:
            list_no_log_values(spec, values, result._no_log_values)
        except TypeError as problem:
            add(NoLogError(to_native(problem)))
        result._deprecations.extend(list_deprecations(spec, values))
    for name in set(values).difference(_legal(spec)):
        key = tuple(context) + (name,) if context else name
        result._unsupported_parameters.add(key)
        result._supported_parameters[key] = (list(spec), sorted(aliases))
    attempt(MutuallyExclusiveError, check_mutually_exclusive, relations.get('mutually_exclusive'), values, context)
    result._no_log_values.update(set_defaults(spec, values, False))
    attempt(RequiredError, check_required_arguments, spec, values, context)
    for name, option in spec.items():
        if name in values:
            _convert(add, name, option, values, context)
    for name, option in spec.items():
        if name in values and option.get('choices') is not None:
            _choose(add, name, option['choices'], values, context)
    for key, function, error in _RELATIONS:
        attempt(error, function, relations.get(key), values, context)
    result._no_log_values.update(set_defaults(spec, values))
    for name, option in spec.items():
        if _inner(option):
            _descend(result, name, option, values, context, prefix)


def _where(context, form):
    return form % ' -> '.join(context) if context else ''


def _convert(add, name, option, values, context):
    """The value in the type of its option, and the elements in theirs."""
    value = values[name]
    if value is None and not option.get('required') and option.get('default') is None:
        return
    function, wanted = get_type_validator(option.get('type'))
    try:
        value = values[name] = function(value)
    except (TypeError, ValueError) as problem:
        add(ArgumentTypeError("argument '%s' is of type %s%s and we were unable to convert to %s: %s" % (
            name, native_type_name(value), _where(context, " found in '%s'."), wanted, to_native(problem))))
        return
    if option.get('elements') is None:
        return
    if wanted != 'list' or not isinstance(value, list):
        add(ElementError("Invalid type %s for option '%s', elements value check is supported only with 'list' type" % (
            wanted, value)))
        return
    function, wanted = get_type_validator(option['elements'])
    converted = []
    for one in value:
        try:
            converted.append(function(one))
        except (TypeError, ValueError) as problem:
            add(ElementError("Elements value for option '%s'%s is of type %s and we were unable to convert to %s: %s" % (
                name, _where(context, " found in '%s'"), native_type_name(one), wanted, to_native(problem))))
    values[name] = converted


def _choose(add, name, choices, values, context):
    if not is_iterable(choices):
        add(ArgumentTypeError('internal error: choices for argument %s are not iterable: %s' % (name, choices)))
        return
    value = values[name]
    listed, found = ', '.join(to_native(one) for one in choices), _where(context, ' found in %s')
    if isinstance(value, list):
        wrong = [one for one in value if one not in choices]
        if wrong:
            add(ArgumentValueError('value of %s must be one or more of: %s. Got no match for: %s%s' % (
                name, listed, ', '.join(to_native(one) for one in wrong), found)))
    elif value not in choices:
        meant = match_choice(value, choices)
        if meant in choices:
            values[name] = meant
        else:
            add(ArgumentValueError('value of %s must be one of: %s, got: %s%s' % (name, listed, to_native(meant), found)))


def _descend(result, name, option, values, context, prefix):
    """The options of an option."""
    if option.get('apply_defaults') and values.get(name) is None:
        values[name] = {}
    value = values.get(name)
    if value is None:
        return
    listed = isinstance(value, list)
    context = tuple(context) + (name,)
    for at, one in enumerate(value if listed else [value]):
        if isinstance(one, string_types):
            try:
                one = check_type_dict(one)
            except TypeError:
                pass
        if not isinstance(one, Mapping):
            result.errors.append(SubParameterTypeError("value of '%s' must be of type dict or list of dicts" % name))
            continue
        inner = '%s%s%s.' % (prefix, name, '[%d]' % at if listed else '')
        _check(result, option['options'], option, one, context, inner)
