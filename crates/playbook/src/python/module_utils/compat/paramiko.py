# SSH, if this Python has paramiko.
from __future__ import absolute_import

import traceback

try:
    import paramiko
    PARAMIKO_IMPORT_ERR = None
except Exception as error:
    paramiko, PARAMIKO_IMPORT_ERR = None, error
    PARAMIKO_TRACE = traceback.format_exc()
