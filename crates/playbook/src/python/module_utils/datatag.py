# Marks of values, which results here have not.
from __future__ import absolute_import

from ansible.module_utils.common._utils import native_type_name  # noqa: F401


def deprecate_value(value, msg, version=None, date=None, collection_name=None, help_text=None, **kwargs):
    """The value; that its use is deprecated is told by a mark that only ansible-core reads."""
    return value


def deprecator_from_collection_name(collection_name):
    return collection_name
