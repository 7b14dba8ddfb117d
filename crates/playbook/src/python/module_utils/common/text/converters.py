# Texts and bytes, in both directions, and JSON.
from __future__ import absolute_import

import codecs
import datetime
import json
import sys

PY3 = sys.version_info[0] >= 3
text_type, binary_type = (str, bytes) if PY3 else (unicode, str)  # noqa: F821
try:
    codecs.lookup_error('surrogateescape')
    HAS_SURROGATEESCAPE = True
except LookupError:
    HAS_SURROGATEESCAPE = False
# Handlers of errors that keep what is no text (where Python can) or replace it.
_REPLACING = (None, 'surrogate_or_replace', 'surrogate_then_replace')
_COMPOSED_ERROR_HANDLERS = frozenset(_REPLACING + ('surrogate_or_strict',))


def _handler(errors):
    if errors not in _COMPOSED_ERROR_HANDLERS:
        return errors
    if HAS_SURROGATEESCAPE:
        return 'surrogateescape'
    return 'strict' if errors == 'surrogate_or_strict' else 'replace'


def _no_string(obj, nonstring, function):
    """What `nonstring` says of a value that is no string: (whether it is the answer, the value)."""
    if nonstring == 'simplerepr':
        try:
            return False, str(obj)
        except UnicodeError:
            try:
                return False, repr(obj)
            except UnicodeError:
                return False, ''
    if nonstring == 'passthru':
        return True, obj
    if nonstring == 'empty':
        return False, ''
    if nonstring == 'strict':
        raise TypeError('obj must be a string type')
    raise TypeError('Invalid value %s for %s nonstring parameter' % (nonstring, function))


def to_bytes(obj, encoding='utf-8', errors=None, nonstring='simplerepr'):
    if isinstance(obj, binary_type):
        return obj
    if not isinstance(obj, text_type):
        done, obj = _no_string(obj, nonstring, "to_bytes'")
        if done or isinstance(obj, binary_type):
            return obj
    try:
        return obj.encode(encoding, _handler(errors))
    except UnicodeEncodeError:
        if errors not in (None, 'surrogate_then_replace'):
            raise
        # Surrogates that stand for bytes become these bytes; what the encoding lacks becomes a "?".
        kept = obj.encode('utf-8', _handler(errors))
        return kept.decode('utf-8', 'replace').encode(encoding, 'replace')


def to_text(obj, encoding='utf-8', errors=None, nonstring='simplerepr'):
    if isinstance(obj, text_type):
        return obj
    if not isinstance(obj, binary_type):
        done, obj = _no_string(obj, nonstring, "to_text's")
        if done or isinstance(obj, text_type):
            return obj
    return obj.decode(encoding, _handler(errors))


to_native = to_text if PY3 else to_bytes


def container_to_bytes(d, encoding='utf-8', errors='surrogate_or_strict'):
    """A value with all the texts in it as bytes."""
    return _deep(d, lambda one: to_bytes(one, encoding=encoding, errors=errors) if isinstance(one, text_type) else one)


def container_to_text(d, encoding='utf-8', errors='surrogate_or_strict'):
    """A value with all the bytes in it as texts."""
    return _deep(d, lambda one: to_text(one, encoding=encoding, errors=errors) if isinstance(one, binary_type) else one)


def _deep(value, change):
    if isinstance(value, dict):
        return dict((_deep(key, change), _deep(one, change)) for key, one in value.items())
    if isinstance(value, list):
        return [_deep(one, change) for one in value]
    if isinstance(value, tuple):
        return tuple(_deep(one, change) for one in value)
    return change(value)


json_dict_unicode_to_bytes, json_dict_bytes_to_unicode = container_to_bytes, container_to_text


def _plain(value):
    """What JSON has no type for."""
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, binary_type):
        return to_text(value, errors='surrogate_or_strict')
    if hasattr(value, 'keys') and hasattr(value, '__getitem__'):
        return dict((key, value[key]) for key in value.keys())
    if hasattr(value, '__len__') and hasattr(value, '__iter__'):
        return list(value)
    raise TypeError('Object of type %s is not JSON serializable' % type(value).__name__)


def jsonify(data, **kwargs):
    """JSON of a value; texts that are no UTF-8 are taken for Latin-1."""
    kwargs.setdefault('default', _plain)
    for encoding in ('utf-8', 'latin-1'):
        try:
            return json.dumps(container_to_text(data, encoding=encoding), **kwargs)
        except UnicodeDecodeError:
            continue
    raise UnicodeError('Invalid unicode encoding encountered')
