# Programs.
from __future__ import absolute_import

import os

from ansible.module_utils.common.file import is_executable
from ansible.module_utils.common.warnings import deprecate  # noqa: F401


def get_bin_path(arg, opt_dirs=None, required=None):
    """The path of a program, looked for in `opt_dirs`, $PATH and where system programs are."""
    dirs = [d for d in opt_dirs or [] if d and os.path.exists(d)]
    dirs += [d for d in os.environ.get('PATH', '').split(os.pathsep)]
    for system in ('/sbin', '/usr/sbin', '/usr/local/sbin'):
        if system not in dirs and os.path.exists(system):
            dirs.append(system)
    for folder in dirs:
        path = os.path.join(folder, arg) if folder else ''
        if path and os.path.exists(path) and not os.path.isdir(path) and is_executable(path):
            return path
    raise ValueError('Failed to find required executable "%s" in paths: %s' % (arg, os.pathsep.join(dirs)))
