# Services of System V, processes, and programs that go on in the background.
from __future__ import absolute_import

import glob
import json
import os
import platform  # noqa: F401
import re
import select  # noqa: F401
import shlex
import subprocess
import sys

from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible.module_utils.six import PY2, b  # noqa: F401


def sysv_is_enabled(name, runlevel=None):
    """Whether the service is started in the runlevel (in any if none is named)."""
    if runlevel:
        if not os.path.isdir('/etc/rc0.d/'):
            return bool(glob.glob('/etc/init.d/rc%s.d/S??%s' % (runlevel, name)))
        return bool(glob.glob('/etc/rc%s.d/S??%s' % (runlevel, name)))
    return bool(glob.glob('/etc/rc?.d/S??%s' % name) or glob.glob('/etc/init.d/rc?.d/S??%s' % name))


def get_sysv_script(name):
    return name if name.startswith('/') else '/etc/init.d/%s' % name


def sysv_exists(name):
    return os.path.exists(get_sysv_script(name))


def get_ps(module, pattern):
    """Whether a process has the pattern in its line."""
    if platform.system() == 'SunOS':
        flags = '-ef'
    else:
        flags = 'auxww'
    rc, out, err = module.run_command([module.get_bin_path('ps', True), flags])
    return rc == 0 and any(re.search(pattern, line) and 'pattern=' not in line for line in out.splitlines())


def check_ps(module, pattern):
    return get_ps(module, pattern)


def fail_if_missing(module, found, service, msg=''):
    """Ends the module if there is no such service; in check mode it may come yet."""
    if found:
        return
    text = 'Could not find the requested service %s: %s' % (service, msg)
    if module.check_mode:
        module.exit_json(msg='%s; would fail outside of check mode' % text, changed=True)
    module.fail_json(msg=text)


def is_systemd_managed(module):
    """Whether systemd has started this system."""
    if module.get_bin_path('systemctl'):
        if any(os.path.exists(place) for place in ('/run/systemd/system/', '/dev/.run/systemd/', '/dev/.systemd/')):
            return True
        try:
            with open('/proc/1/comm', 'r') as file:
                return any('systemd' in line for line in file)
        except (IOError, OSError):
            pass
    return False


def fork_process():
    """Forks; the child has no terminal and no files of the module."""
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            if number != null:
                os.dup2(null, number)
        if null > 2:
            os.close(null)
        if os.fork() > 0:
            os._exit(0)
        os.setsid()
        if os.fork() > 0:
            os._exit(0)
    return pid


def daemonize(module, cmd):
    """Runs a command away from the module's session: (status, output, errors)."""
    if not isinstance(cmd, list):
        cmd = shlex.split(to_bytes(cmd) if PY2 else to_text(cmd))
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        if os.fork():
            os._exit(0)
        try:
            process = subprocess.Popen([to_bytes(one, errors='surrogate_or_strict') for one in cmd], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            out, err = process.communicate()
            answer = [process.returncode, to_text(out), to_text(err)]
        except Exception as error:
            answer = [getattr(error, 'errno', None) or 257, '', to_text(error)]
        os.write(write, to_bytes(json.dumps(answer)))
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    parts = []
    for part in iter(lambda: os.read(read, 65536), b''):
        parts.append(part)
    os.close(read)
    try:
        rc, out, err = json.loads(to_text(b''.join(parts)))
    except ValueError:
        module.fail_json(msg='Unable to run the command in the background: %s' % sys.exc_info()[1], cmd=cmd)
    return rc, out, err
