# Modes and attributes of files.
from __future__ import absolute_import

import os
import re
import stat

FILE_ATTRIBUTES = dict(pair.split('=') for pair in (
    'A=noatime a=append c=compressed C=nocow d=nodump D=dirsync e=extents E=encrypted h=blocksize i=immutable I=indexed '
    'j=journalled N=inline s=zero S=synchronous t=notail T=blockroot u=undelete X=compressedraw Z=compresseddirty').split())
USERS_RE = re.compile(r'[^ugo]')
PERMS_RE = re.compile(r'[^rwxXstugo]')
MODE_OPERATOR_RE = re.compile(r'[+=-]')
S_IRANY, S_IWANY, S_IXANY = 0o444, 0o222, 0o111
S_IRWU_RG_RO, S_IRWU_RWG_RWO, S_IRWXU_RXG_RXO = 0o644, 0o666, 0o755
_PERM_BITS, _EXEC_PERM_BITS, _DEFAULT_PERM = 0o7777, 0o111, 0o666


def is_executable(path):
    """Whether anyone may run it."""
    return os.stat(path)[stat.ST_MODE] & S_IXANY


def format_attributes(attributes):
    return [FILE_ATTRIBUTES[flag] for flag in attributes if flag in FILE_ATTRIBUTES]


def get_flags_from_attributes(attributes):
    return ''.join(flag for flag, name in FILE_ATTRIBUTES.items() if name in attributes)


def get_file_arg_spec():
    """Options of modules that set the properties of a file."""
    spec = dict((name, dict(type='str')) for name in ('owner', 'group', 'seuser', 'serole', 'selevel', 'setype'))
    spec.update(mode=dict(type='raw'), attributes=dict(aliases=['attr']))
    return spec
