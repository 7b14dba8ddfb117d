# What the spec of a module says about its parameters: defaults, fallbacks, aliases, types, and the values that are to be
# hidden from results and logs.
from __future__ import absolute_import

import datetime
import os

from ansible.module_utils.common._collections_compat import Mapping
from ansible.module_utils.common._utils import native_type_name
from ansible.module_utils.common.collections import is_iterable
from ansible.module_utils.common.text.converters import to_native
from ansible.module_utils.common.validation import (
    check_type_bits, check_type_bool, check_type_bytes, check_type_dict, check_type_float, check_type_int,
    check_type_jsonarg, check_type_list, check_type_path, check_type_raw, check_type_str)
from ansible.module_utils.common.warnings import warn  # noqa: F401
from ansible.module_utils.errors import AnsibleFallbackNotFound
from ansible.module_utils.parsing.convert_bool import BOOLEANS_FALSE, BOOLEANS_TRUE
from ansible.module_utils.six import binary_type, integer_types, string_types, text_type

NoneType = type(None)
DEFAULT_TYPE_VALIDATORS = {
    'str': check_type_str, 'list': check_type_list, 'dict': check_type_dict, 'bool': check_type_bool, 'int': check_type_int,
    'float': check_type_float, 'path': check_type_path, 'raw': check_type_raw, 'jsonarg': check_type_jsonarg,
    'json': check_type_jsonarg, 'bytes': check_type_bytes, 'bits': check_type_bits}
# Arguments that the program gives a module: the attribute of AnsibleModule, and its value if the argument is missing.
PASS_VARS = {
    'check_mode': ('check_mode', False), 'debug': ('_debug', False), 'diff': ('_diff', False),
    'keep_remote_files': ('_keep_remote_files', False), 'ignore_unknown_opts': ('_ignore_unknown_opts', False),
    'module_name': ('_name', None), 'no_log': ('no_log', False), 'remote_tmp': ('_remote_tmp', None),
    'target_log_info': ('_target_log_info', None),
    'selinux_special_fs': ('_selinux_special_fs', ['fuse', 'nfs', 'vboxsf', 'ramfs', '9p', 'vfat']),
    'shell_executable': ('_shell', '/bin/sh'), 'socket': ('_socket_path', None),
    'syslog_facility': ('_syslog_facility', 'INFO'), 'tmpdir': ('_tmpdir', None), 'verbosity': ('_verbosity', 0),
    'version': ('ansible_version', '0.0')}
PASS_BOOLS = ('check_mode', 'debug', 'diff', 'keep_remote_files', 'ignore_unknown_opts', 'no_log')


def env_fallback(*args, **kwargs):
    """The first of these environment variables that is set."""
    for name in args:
        if name in os.environ:
            return os.environ[name]
    raise AnsibleFallbackNotFound


def set_fallbacks(argument_spec, parameters):
    """Fills in what fallbacks give; what of it is to be hidden."""
    hidden = set()
    for name, option in argument_spec.items():
        fallback = option.get('fallback') or (None,)
        if name in parameters or fallback[0] is None:
            continue
        args, kwargs = [], {}
        for part in fallback[1:]:
            if isinstance(part, dict):
                kwargs = part
            else:
                args = part
        try:
            value = fallback[0](*args, **kwargs)
        except AnsibleFallbackNotFound:
            continue
        if option.get('no_log', False) and value:
            hidden.update(leaves(value))
        parameters[name] = value
    return hidden


def set_defaults(argument_spec, parameters, set_default=True):
    """Fills in defaults, those that are None only if `set_default`; what of it is to be hidden."""
    hidden = set()
    for name, option in argument_spec.items():
        default = option.get('default')
        if name not in parameters and (default is not None or set_default):
            if default is not None and option.get('no_log'):
                hidden.update(leaves(default))
            parameters[name] = default
    return hidden


def handle_aliases(argument_spec, parameters, prefix=''):
    """Sets options that came by an alias. (name by alias, warnings, deprecations)"""
    by_alias, warnings, deprecations = {}, [], []
    for name, option in argument_spec.items():
        if option.get('required', False) and option.get('default') is not None:
            raise ValueError('internal error: required and default are mutually exclusive for %s' % name)
        aliases = option.get('aliases')
        if aliases and (not is_iterable(aliases) or isinstance(aliases, (binary_type, text_type))):
            raise TypeError('internal error: aliases must be a list or tuple')
        for old in option.get('deprecated_aliases') or []:
            if old['name'] in parameters:
                deprecations.append(dict(old, name=prefix + old['name']))
        # Of several names that are given, the last alias has its way.
        given = [name] if name in parameters else []
        for alias in aliases or []:
            by_alias[alias] = name
            if alias in parameters:
                if given:
                    warnings.append((prefix + name, prefix + alias))
                given.append(alias)
        if given:
            parameters[name] = parameters[given[-1]]
    return by_alias, warnings, deprecations


def _inner(option):
    """Whether the option has options of its own."""
    return option.get('options') is not None and (
        option.get('type') == 'dict' or option.get('type') == 'list' and option.get('elements') == 'dict')


def _inner_values(name, option, value):
    """The dictionaries in the value of an option with options of its own."""
    kind = option.get('type')
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, string_types):
            one = check_type_dict(one)
        if not isinstance(one, Mapping):
            raise TypeError("Value '%s' in the sub parameter field '%s' must be a %s, not '%s'" % (
                one, name, kind, native_type_name(one)))
        yield one


def list_no_log_values(argument_spec, params, hidden=None):
    """The texts that are to be hidden. What can't be looked into is an error once all others are in `hidden`."""
    hidden = set() if hidden is None else hidden
    problem = None
    for name, option in argument_spec.items():
        if option.get('no_log', False) and params.get(name):
            hidden.update(leaves(params[name]))
        if _inner(option) and params.get(name) is not None:
            try:
                for one in _inner_values(name, option, params[name]):
                    list_no_log_values(option['options'], one, hidden)
            except TypeError as error:
                problem = problem or error
    if problem is not None:
        raise problem
    return hidden


_list_no_log_values = list_no_log_values


def list_deprecations(argument_spec, parameters, prefix=''):
    """Of the options that are given, those that will go."""
    out = []
    for name, option in argument_spec.items():
        if name not in parameters:
            continue
        written = '%s["%s"]' % (prefix, name) if prefix else name
        msg = "Param '%s' is deprecated. See the module docs for more information" % written
        for key, field in (('removed_at_date', 'date'), ('removed_in_version', 'version')):
            if option.get(key) is not None:
                out.append({'msg': msg, field: option[key], 'collection_name': option.get('removed_from_collection')})
                break
        if option.get('options') is not None:
            value = parameters[name]
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, Mapping):
                    out.extend(list_deprecations(option['options'], one, written))
    return out


_list_deprecations = list_deprecations


def get_type_validator(wanted):
    """The function that turns a value into this type, and the type's name."""
    if callable(wanted):
        return wanted, getattr(wanted, '__name__', str(wanted))
    wanted = wanted or 'str'
    return DEFAULT_TYPE_VALIDATORS.get(wanted), wanted


def match_choice(value, choices):
    """The choice that a value of YAML's booleans stands for ("yes" was read as true), or the value."""
    for word, words in (('False', BOOLEANS_FALSE), ('True', BOOLEANS_TRUE)):
        if value == word:
            meant = words.intersection(choices)
            if len(meant) == 1:
                return list(meant)[0]
    return value


# Hidden values
def leaves(value):
    """The texts inside a value."""
    if isinstance(value, (text_type, binary_type)):
        if value:
            yield to_native(value, errors='surrogate_or_strict')
    elif isinstance(value, Mapping):
        for one in value.values():
            for leaf in leaves(one):
                yield leaf
    elif is_iterable(value):
        for one in value:
            for leaf in leaves(one):
                yield leaf
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, integer_types + (float,)):
        yield to_native(value)
    else:
        raise TypeError('unsupported type: %s' % type(value))


_WHOLE = 'VALUE_SPECIFIED_IN_NO_LOG_PARAMETER'


def _censored(value, secrets):
    text = to_native(value, errors='surrogate_or_strict')
    if text in secrets:
        return _WHOLE
    # A secret may be a part of a longer one.
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, '*' * 8)
    if isinstance(value, text_type) and not isinstance(text, text_type):
        return text.decode('utf-8', 'replace')
    if isinstance(value, binary_type) and not isinstance(text, binary_type):
        return text.encode('utf-8', 'surrogateescape')
    return text


def _texts(strings):
    return set(to_native(one, errors='surrogate_or_strict') for one in strings if one)


def remove_values(value, no_log_strings):
    """The value without the texts that are to be hidden. Keys stay."""
    return _removed(value, _texts(no_log_strings))


def _removed(value, secrets):
    if isinstance(value, (text_type, binary_type)):
        return _censored(value, secrets)
    if isinstance(value, Mapping):
        return dict((key, _removed(one, secrets)) for key, one in value.items())
    if isinstance(value, (set, frozenset)):
        return set(_removed(one, secrets) for one in value)
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value
    if is_iterable(value):
        return [_removed(one, secrets) for one in value]
    if isinstance(value, integer_types + (float,)) and not isinstance(value, bool):
        text = to_native(value)
        return _WHOLE if any(secret in text for secret in secrets) else value
    if value is None or isinstance(value, bool):
        return value
    raise TypeError('Value of unknown type: %s, %s' % (type(value), value))


def sanitize_keys(obj, no_log_strings, ignore_keys=frozenset()):
    """The value with keys that hold what is to be hidden made harmless."""
    secrets = _texts(no_log_strings)

    def change(value):
        if isinstance(value, Mapping):
            return dict((key if key in ignore_keys or key.startswith('_ansible') else _censored(key, secrets), change(one))
                        for key, one in value.items())
        if isinstance(value, (set, frozenset)):
            return set(change(one) for one in value)
        if is_iterable(value):
            return [change(one) for one in value]
        return value
    return change(obj)
