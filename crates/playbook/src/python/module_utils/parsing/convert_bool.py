# Words that mean true or false.
from __future__ import absolute_import

from ansible.module_utils.common.text.converters import binary_type, text_type, to_text  # noqa: F401

BOOLEANS_TRUE = frozenset(('y', 'yes', 'on', '1', 'true', 't', 1, 1.0, True))
BOOLEANS_FALSE = frozenset(('n', 'no', 'off', '0', 'false', 'f', 0, 0.0, False))
BOOLEANS = BOOLEANS_TRUE.union(BOOLEANS_FALSE)


def boolean(value, strict=True):
    """The truth of a word; what is neither is an error, or false if not `strict`."""
    if isinstance(value, bool):
        return value
    word = value
    if isinstance(value, (text_type, binary_type)):
        word = to_text(value, errors='surrogate_or_strict').lower().strip()
    try:
        if word in BOOLEANS_TRUE:
            return True
        if word in BOOLEANS_FALSE or not strict:
            return False
    except TypeError:
        # It has no hash, and so is no word.
        if not strict:
            return False
    raise TypeError("The value '%s' is not a valid boolean. Valid booleans include: %s" % (
        to_text(value), ', '.join(repr(i) for i in BOOLEANS)))
