# The functions of libselinux, through ctypes: no binding for this Python is needed.
from __future__ import absolute_import

import os
from ctypes import CDLL, POINTER, byref, c_char_p, c_int, get_errno

from ansible.module_utils.common.text.converters import to_bytes, to_native

try:
    _lib = CDLL('libselinux.so.1', use_errno=True)
except OSError:
    raise ImportError('unable to load libselinux.so')

for _name in ('is_selinux_enabled', 'is_selinux_mls_enabled', 'security_policyvers', 'security_getenforce',
              'selinux_getenforcemode', 'selinux_getpolicytype', 'lgetfilecon_raw', 'matchpathcon', 'lsetfilecon'):
    if not hasattr(_lib, _name):
        raise ImportError('missing selinux function: %s' % _name)
_lib.lgetfilecon_raw.argtypes = [c_char_p, POINTER(c_char_p)]
_lib.matchpathcon.argtypes = [c_char_p, c_int, POINTER(c_char_p)]
_lib.lsetfilecon.argtypes = [c_char_p, c_char_p]
_lib.selinux_getenforcemode.argtypes = [POINTER(c_int)]
_lib.selinux_getpolicytype.argtypes = [POINTER(c_char_p)]


def _checked(rc):
    if rc < 0:
        number = get_errno()
        raise OSError(number, os.strerror(number))
    return rc


def is_selinux_enabled():
    return _lib.is_selinux_enabled()


def is_selinux_mls_enabled():
    return _lib.is_selinux_mls_enabled()


def security_policyvers():
    return _checked(_lib.security_policyvers())


def security_getenforce():
    return _checked(_lib.security_getenforce())


def selinux_getenforcemode():
    mode = c_int()
    return [_lib.selinux_getenforcemode(byref(mode)), mode.value]


def selinux_getpolicytype():
    text = c_char_p()
    return [_lib.selinux_getpolicytype(byref(text)), to_native(text.value)]


def lgetfilecon_raw(path):
    """[0 or less, the context]"""
    text = c_char_p()
    rc = _checked(_lib.lgetfilecon_raw(to_bytes(path), byref(text)))
    return [rc, to_native(text.value)]


def matchpathcon(path, mode):
    text = c_char_p()
    rc = _checked(_lib.matchpathcon(to_bytes(path), mode, byref(text)))
    return [rc, to_native(text.value)]


def lsetfilecon(path, context):
    return _checked(_lib.lsetfilecon(to_bytes(path), to_bytes(context)))
