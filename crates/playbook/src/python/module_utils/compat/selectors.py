# Python's selectors; Python 2 has them only from the library selectors2.
from __future__ import absolute_import

try:
    import selectors
except ImportError:
    import selectors2 as selectors
from sys import modules as _modules

for _name in dir(selectors):
    if not _name.startswith('_'):
        globals()[_name] = getattr(selectors, _name)
_modules.setdefault('selectors', selectors)
