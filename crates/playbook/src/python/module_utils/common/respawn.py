# The same module with the same arguments in another Python, which has a library that this one lacks.
from __future__ import absolute_import

import os
import subprocess
import sys

from ansible.module_utils.common.text.converters import to_bytes

# The words of the call of run.py, set by it: its own path, the folder, the way, the names.
_call = None


def has_respawned():
    return bool(_call) and _call[2] == 'respawned'


def respawn_module(interpreter_path):
    """Ends this process with the result of the module in that Python."""
    if has_respawned():
        raise Exception('module has already been respawned')
    if not _call:
        raise Exception('the module can not be run in another Python: it was not started by run.py')
    from ansible.module_utils import basic
    words = [interpreter_path, _call[0], _call[1], 'respawned'] + list(_call[3:])
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE='1')
    process = subprocess.Popen(words, stdin=subprocess.PIPE, env=env)
    process.communicate(to_bytes(basic._ANSIBLE_ARGS))
    sys.stdout.flush()
    # The other Python has written the result and cleared up.
    sys.exit(process.returncode)


def probe_interpreters_for_module(interpreter_paths, module_name):
    """The first Python that can import the module."""
    with open(os.devnull, 'r+') as null:
        for path in interpreter_paths:
            if not os.path.exists(path):
                continue
            try:
                if subprocess.call([path, '-c', 'import %s' % module_name], stdin=null, stdout=null, stderr=null) == 0:
                    return path
            except OSError:
                continue
    return None
