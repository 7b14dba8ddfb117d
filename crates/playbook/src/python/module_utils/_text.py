# The old name of common.text.converters.
from __future__ import absolute_import

from ansible.module_utils.common.text.converters import (  # noqa: F401
    PY3, binary_type, codecs, text_type, to_bytes, to_native, to_text)
