# What system this is.
from __future__ import absolute_import

import platform

from ansible.module_utils import distro
from ansible.module_utils.common._utils import get_all_subclasses

__all__ = ('get_distribution', 'get_distribution_version', 'get_platform_subclass')
_NAMES = {'Amzn': 'Amazon', 'Rhel': 'Redhat', 'Freebsd': 'Freebsd'}


def get_distribution():
    """The id of the distribution with a capital, as "Debian" or "Redhat"."""
    name = distro.id().capitalize()
    if platform.system() == 'Linux':
        return _NAMES.get(name, name or 'OtherLinux')
    return name


def get_distribution_version():
    """The version; of Debian and CentOS as precise as it is known."""
    version = distro.version()
    if version is None:
        return None
    if distro.id() == 'centos':
        best = distro.version(best=True)
        return '.'.join(best.split('.')[:2]) if best else version
    if distro.id() == 'debian':
        return distro.version(best=True)
    return version


def get_distribution_codename():
    if platform.system() != 'Linux':
        return None
    info = distro.os_release_info()
    name = info.get('version_codename')
    if name is None:
        name = info.get('ubuntu_codename')
    if name is None and distro.id() == 'ubuntu':
        name = distro.lsb_release_info().get('codename')
    if name is None:
        name = distro.codename() or None
    return name


def get_platform_subclass(cls):
    """The class below `cls` for this distribution, or for this kind of system, or `cls`."""
    system, distribution = platform.system(), get_distribution()
    found = None
    if distribution is not None:
        for one in get_all_subclasses(cls):
            if getattr(one, 'distribution', None) == distribution and one.platform == system:
                found = one
    if found is None:
        for one in get_all_subclasses(cls):
            if getattr(one, 'platform', None) == system and getattr(one, 'distribution', None) is None:
                found = one
    return found or cls
