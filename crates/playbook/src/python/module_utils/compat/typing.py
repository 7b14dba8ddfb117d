# Python's typing, where there is one.
from __future__ import absolute_import

try:
    from typing import *  # noqa: F401,F403
except ImportError:
    pass
TYPE_CHECKING = False
