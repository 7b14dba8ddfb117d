# The abstract classes of collections, wherever Python has them.
from __future__ import absolute_import

try:
    from collections.abc import (  # noqa: F401
        Callable, Container, Hashable, ItemsView, Iterable, Iterator, KeysView, Mapping, MappingView, MutableMapping,
        MutableSequence, MutableSet, Sequence, Set, Sized, ValuesView)
except ImportError:
    from collections import (  # noqa: F401
        Callable, Container, Hashable, ItemsView, Iterable, Iterator, KeysView, Mapping, MappingView, MutableMapping,
        MutableSequence, MutableSet, Sequence, Set, Sized, ValuesView)
