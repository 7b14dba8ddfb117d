# Checks of arguments: the relations between them, and the types of values.
from __future__ import absolute_import

import ast
import decimal
import json
import os
import re

from ansible.module_utils.common._utils import native_type_name
from ansible.module_utils.common.collections import is_iterable
from ansible.module_utils.common.text.converters import jsonify, to_native
from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible.module_utils.common.warnings import deprecate  # noqa: F401
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.module_utils.six import binary_type, integer_types, string_types, text_type

literal_eval = ast.literal_eval


def _fail(text, options_context):
    raise TypeError(to_native('%s found in %s' % (text, ' -> '.join(options_context)) if options_context else text))


def _has(parameters, name):
    return parameters.get(name) is not None


def count_terms(terms, parameters):
    """How many of the names are there."""
    return len(set(terms if is_iterable(terms) else [terms]).intersection(parameters))


# Relations. Each raises a TypeError for what is wrong and gives an empty list otherwise.
def check_mutually_exclusive(terms, parameters, options_context=None):
    wrong = [group for group in terms or [] if count_terms(group, parameters) > 1]
    if wrong:
        _fail('parameters are mutually exclusive: %s' % ', '.join('|'.join(group) for group in wrong), options_context)
    return wrong


def check_required_one_of(terms, parameters, options_context=None):
    wrong = []
    for group in terms or []:
        if count_terms(group, parameters) == 0:
            _fail('one of the following is required: %s' % ', '.join(group), options_context)
    return wrong


def check_required_together(terms, parameters, options_context=None):
    for group in terms or []:
        counts = [count_terms(name, parameters) for name in group]
        if any(counts) and not all(counts):
            _fail('parameters are required together: %s' % ', '.join(group), options_context)
    return []


def check_required_by(requirements, parameters, options_context=None):
    result = {}
    for name, needed in (requirements or {}).items():
        if not _has(parameters, name):
            continue
        missing = [one for one in ([needed] if isinstance(needed, string_types) else needed) if not _has(parameters, one)]
        if missing:
            _fail("missing parameter(s) required by '%s': %s" % (name, ', '.join(missing)), options_context)
    return result


def check_required_arguments(argument_spec, parameters, options_context=None):
    missing = sorted(name for name, option in (argument_spec or {}).items()
                     if option.get('required', False) and name not in parameters)
    if missing:
        _fail('missing required arguments: %s' % ', '.join(missing), options_context)
    return missing


def check_required_if(requirements, parameters, options_context=None):
    """Rules (name, value, the names then required, whether one of them is enough)."""
    for rule in requirements or []:
        name, value, needed = rule[:3] if len(rule) > 3 else rule
        one_is_enough = len(rule) > 3 and bool(rule[3])
        if name not in parameters or parameters[name] != value:
            continue
        missing = [one for one in needed if not _has(parameters, one)]
        if missing and (not one_is_enough or len(missing) >= len(needed)):
            _fail('%s is %s but %s of the following are missing: %s' % (
                name, value, 'any' if one_is_enough else 'all', ', '.join(missing)), options_context)
    return []


def check_missing_parameters(parameters, required_parameters=None):
    missing = [name for name in required_parameters or [] if not parameters.get(name)]
    if missing:
        _fail('missing required arguments: %s' % ', '.join(missing), None)
    return missing


# Types. Each gives the value in its type or raises a TypeError.
def safe_eval(value, locals=None, include_exceptions=False):
    """The literal that a text writes, or the text; calls and imports are never one."""
    error = None
    if isinstance(value, string_types) and not re.search(r'\w\.\w+\(|import \w+', value):
        try:
            value = ast.literal_eval(value)
        except Exception as problem:
            error = problem
    return (value, error) if include_exceptions else value


def _wrong(value, kind):
    return TypeError("<class '%s'> cannot be converted to %s" % (native_type_name(value), kind))


def check_type_str(value, allow_conversion=True, param=None, prefix=''):
    if isinstance(value, string_types):
        return value
    if value is None:
        return ''
    if allow_conversion:
        return to_native(value, errors='surrogate_or_strict')
    raise TypeError(to_native("'{0!r}' is not a string and conversion is not allowed".format(value)))


def check_type_list(value):
    if isinstance(value, list):
        return value
    if isinstance(value, string_types):
        return value.split(',')
    if isinstance(value, integer_types + (float,)):
        return [str(value)]
    raise _wrong(value, 'a list')


def _pairs(text):
    """The pairs of `k=v, k="v w"`."""
    fields, field, quote, escaped = [], [], None, False
    for char in text.strip():
        if escaped:
            field.append(char)
            escaped = False
        elif char == '\\':
            escaped = True
        elif quote is None and char in '\'"':
            quote = char
        elif char == quote:
            quote = None
        elif quote is None and char in ', ':
            if field:
                fields.append(''.join(field))
                field = []
        else:
            field.append(char)
    if field:
        fields.append(''.join(field))
    return dict(one.split('=', 1) for one in fields)


def check_type_dict(value):
    if isinstance(value, dict):
        return value
    if not isinstance(value, string_types):
        raise _wrong(value, 'a dict')
    if value.startswith('{'):
        try:
            return json.loads(value)
        except Exception:
            found, error = safe_eval(value, {}, include_exceptions=True)
            if error is not None or not isinstance(found, dict):
                raise TypeError('unable to evaluate string as dictionary')
            return found
    if '=' in value:
        try:
            return _pairs(value)
        except ValueError:
            pass
    raise TypeError('dictionary requested, could not parse JSON or key=value')


def check_type_bool(value):
    if isinstance(value, bool):
        return value
    if isinstance(value, string_types + integer_types + (float,)):
        return boolean(value)
    raise _wrong(value, 'a bool')


def check_type_int(value):
    if isinstance(value, integer_types):
        return value
    try:
        number = decimal.Decimal(value)
        if number == int(number):
            return int(number)
    except (decimal.DecimalException, TypeError, ValueError, OverflowError):
        pass
    raise TypeError('"{0!r}" cannot be converted to an int'.format(value))


def check_type_float(value):
    if isinstance(value, float):
        return value
    if isinstance(value, (binary_type, text_type) + integer_types):
        try:
            return float(value)
        except ValueError:
            pass
    raise _wrong(value, 'a float')


def check_type_path(value):
    return os.path.expanduser(os.path.expandvars(check_type_str(value)))


def check_type_raw(value):
    return value


def _size(value, isbits, kind):
    try:
        return human_to_bytes(value, isbits=isbits)
    except ValueError:
        raise _wrong(value, kind)


def check_type_bytes(value):
    return _size(value, False, 'a Byte value')


def check_type_bits(value):
    return _size(value, True, 'a Bit value')


def check_type_jsonarg(value):
    if isinstance(value, (text_type, binary_type)):
        return value.strip()
    if isinstance(value, (list, tuple, dict)):
        return jsonify(value)
    raise _wrong(value, 'a json string')
