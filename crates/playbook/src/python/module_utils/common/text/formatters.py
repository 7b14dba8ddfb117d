# Sizes for people and programs.
from __future__ import absolute_import

import re

from ansible.module_utils.six import iteritems  # noqa: F401

_UNITS = 'YZEPTGMKB'
SIZE_RANGES = dict((unit, 1 << 10 * power) for power, unit in enumerate(reversed(_UNITS)))
_WORDS = ('yotta', 'zeta', 'exa', 'peta', 'tera', 'giga', 'mega', 'kilo', '')
# How a unit of bytes and one of bits is written: in full, and in short.
VALID_UNITS = dict(
    (unit, ((word + 'byte', unit.strip('B') + 'B'), (word + 'bit', unit.strip('B') + 'b'))) for unit, word in zip(_UNITS, _WORDS))


def lenient_lowercase(lst):
    """The elements in lower case, those that have none as they are."""
    return [one.lower() if hasattr(one, 'lower') else one for one in lst]


def human_to_bytes(number, default_unit=None, isbits=False):
    """The size that a text like `10M`, `1.5 GB` or (with `isbits`) `2Mb` means."""
    found = re.match(r'^([0-9]*\.?[0-9]+)(?:\s*([A-Za-z]+))?\s*$', str(number))
    if not found:
        raise ValueError("human_to_bytes() can't interpret following string: %s" % number)
    value, unit = float(found.group(1)), found.group(2) or default_unit
    if unit is None:
        return int(round(value))
    first = unit[0].upper()
    if first not in SIZE_RANGES:
        raise ValueError('human_to_bytes() failed to convert %s (unit = %s). The suffix must be one of %s' % (
            number, unit, ', '.join(_UNITS)))
    word, short = VALID_UNITS[first][1 if isbits else 0]
    # In short the case tells bytes (B) and bits (b) apart.
    if len(unit) > 1 and unit.lower() != word and unit != short:
        expected = '%s or %s' % ((short, word) if first == 'B' else (short, first))
        raise ValueError('human_to_bytes() failed to convert %s. Value is not a valid string (expect %s)' % (number, expected))
    return int(round(value * SIZE_RANGES[first]))


def bytes_to_human(size, isbits=False, unit=None):
    """A size with two decimals in the unit that fits, or in the named one."""
    base = 'bits' if isbits else 'Bytes'
    for letter in _UNITS:
        if size >= SIZE_RANGES[letter] if unit is None else unit.upper()[0] == letter:
            break
    return '%.2f %s' % (size / float(SIZE_RANGES[letter]), base if letter == 'B' else letter + base[0])
