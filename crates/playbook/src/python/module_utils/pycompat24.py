# What very old Pythons lacked.
from __future__ import absolute_import

import sys
from ast import literal_eval  # noqa: F401


def get_exception():
    """The exception that is being handled."""
    return sys.exc_info()[1]
