# Facts for modules that ask for them themselves: those of the system, its Python, user and packages. What devices, networks
# and virtual machines are like is known to the setup module only.
from __future__ import absolute_import

import datetime
import getpass
import os
import platform
import pwd
import socket
import sys
import time

from ansible.module_utils import distro
from ansible.module_utils.common.sys_info import get_distribution, get_distribution_version

_FAMILIES = (
    ('Debian', 'debian ubuntu linuxmint kali raspbian pop neon'),
    ('RedHat', 'rhel centos fedora rocky almalinux oracle amzn scientific'),
    ('Suse', 'suse opensuse sles sled opensuse-tumbleweed'), ('Archlinux', 'arch manjaro'), ('Alpine', 'alpine'),
    ('Gentoo', 'gentoo'))
_MANAGERS = (('/usr/bin/apt-get', 'apt'), ('/usr/bin/dnf5', 'dnf5'), ('/usr/bin/dnf', 'dnf'), ('/usr/bin/yum', 'yum'),
             ('/usr/bin/zypper', 'zypper'), ('/usr/bin/pacman', 'pacman'), ('/sbin/apk', 'apk'), ('/usr/bin/emerge', 'portage'),
             ('/usr/bin/xbps-install', 'xbps'))


def _python():
    version = sys.version_info
    parts = dict(major=version[0], minor=version[1], micro=version[2], releaselevel=version[3], serial=version[4])
    kind = sys.implementation.name if hasattr(sys, 'implementation') else 'CPython'
    return dict(python=dict(executable=sys.executable, has_sslcontext=True, type=kind, version=parts,
                            version_info=list(version)), python_version=platform.python_version())


def _system():
    ids = [distro.id()] + distro.like().split()
    family = next((name for name, known in _FAMILIES for one in ids if one in known.split()), get_distribution())
    version = get_distribution_version() or 'NA'
    host = platform.node()
    return dict(
        system=platform.system(), kernel=platform.release(), kernel_version=platform.version(), machine=platform.machine(),
        architecture=platform.machine(), userspace_bits=platform.architecture()[0].replace('bit', ''), nodename=host,
        hostname=host.split('.')[0], fqdn=socket.getfqdn(), domain='.'.join(socket.getfqdn().split('.')[1:]),
        distribution={'Redhat': 'RedHat', 'Centos': 'CentOS', 'Archlinux': 'Archlinux'}.get(
            get_distribution(), get_distribution()), distribution_version=version,
        distribution_major_version=version.split('.')[0], distribution_release=distro.codename() or 'NA', os_family=family,
        pkg_mgr=next((name for path, name in _MANAGERS if os.path.exists(path)), 'unknown'),
        service_mgr='systemd' if os.path.isdir('/run/systemd/system') else 'service', env=dict(os.environ), default_ipv4={},
        default_ipv6={})


def _user():
    found = pwd.getpwuid(os.getuid())
    return dict(user_id=getpass.getuser(), user_uid=found.pw_uid, user_gid=found.pw_gid, user_gecos=found.pw_gecos,
                user_dir=found.pw_dir, user_shell=found.pw_shell, real_user_id=os.getuid(), effective_user_id=os.geteuid(),
                real_group_id=os.getgid(), effective_group_id=os.getegid())


def _date():
    now = datetime.datetime.now()
    return dict(date_time=dict(
        year=now.strftime('%Y'), month=now.strftime('%m'), day=now.strftime('%d'), hour=now.strftime('%H'),
        minute=now.strftime('%M'), second=now.strftime('%S'), date=now.strftime('%Y-%m-%d'), time=now.strftime('%H:%M:%S'),
        weekday=now.strftime('%A'), weekday_number=now.strftime('%w'), epoch=str(int(time.time())),
        tz=time.strftime('%Z'), tz_offset=time.strftime('%z')))


def ansible_facts(module, gather_subset=None):
    """Facts by their names without "ansible_"."""
    out = {}
    for part in (_python, _system, _user, _date):
        out.update(part())
    out['gather_subset'] = gather_subset or module.params.get('gather_subset', ['all'])
    return out


def get_all_facts(module):
    return ansible_facts(module, module.params['gather_subset'])
