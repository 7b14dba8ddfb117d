# What kind of collection a value is, and a dictionary that can't be changed.
from __future__ import absolute_import

from ansible.module_utils.common._collections_compat import (  # noqa: F401
    Hashable, Mapping, MutableMapping, Sequence)
from ansible.module_utils.common.text.converters import binary_type, text_type


class ImmutableDict(Hashable, Mapping):
    def __init__(self, *args, **kwargs):
        self._store = dict(*args, **kwargs)

    def __getitem__(self, key):
        return self._store[key]

    def __iter__(self):
        return iter(self._store)

    def __len__(self):
        return len(self._store)

    def __hash__(self):
        return hash(frozenset(self.items()))

    def __eq__(self, other):
        try:
            return hash(self) == hash(other)
        except TypeError:
            return False

    def __ne__(self, other):
        return not self == other

    def __repr__(self):
        return 'ImmutableDict(%r)' % (self._store,)

    def union(self, overriding_mapping):
        return ImmutableDict(self._store, **overriding_mapping)

    def difference(self, subtractive_iterable):
        gone = frozenset(subtractive_iterable)
        return ImmutableDict((key, value) for key, value in self._store.items() if key not in gone)


def is_string(seq):
    return isinstance(seq, (text_type, binary_type)) or bool(getattr(seq, '__ENCRYPTED__', False))


def is_iterable(seq, include_strings=False):
    if not include_strings and is_string(seq):
        return False
    try:
        iter(seq)
    except TypeError:
        return False
    return True


def is_sequence(seq, include_strings=False):
    return (include_strings or not is_string(seq)) and isinstance(seq, Sequence)


def count(seq):
    """How often each element is there."""
    if not is_iterable(seq):
        raise Exception('Argument provided  is not an iterable')
    out = {}
    for one in seq:
        out[one] = out.get(one, 0) + 1
    return out
