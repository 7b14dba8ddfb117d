# Python's importlib.
from __future__ import absolute_import

from importlib import import_module  # noqa: F401
