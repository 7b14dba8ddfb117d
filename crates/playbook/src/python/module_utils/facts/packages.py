# Lists of installed packages.
from __future__ import absolute_import

from abc import ABCMeta, abstractmethod

from ansible.module_utils.basic import missing_required_lib  # noqa: F401
from ansible.module_utils.common._utils import get_all_subclasses
from ansible.module_utils.common.process import get_bin_path
from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module
from ansible.module_utils.six import with_metaclass


def get_all_pkg_managers():
    return dict((one.__name__.lower(), one) for one in get_all_subclasses(PkgMgr)
                if one not in (CLIMgr, LibMgr, RespawningLibMgr))


class PkgMgr(with_metaclass(ABCMeta, object)):
    @abstractmethod
    def is_available(self, handle_exceptions):
        """Whether it is there."""

    @abstractmethod
    def list_installed(self):
        """Packages, in any form that get_package_details takes."""

    @abstractmethod
    def get_package_details(self, package):
        """{name, version, ...} of one."""

    def get_packages(self):
        """The details by name."""
        out = {}
        for one in self.list_installed():
            details = self.get_package_details(one)
            details.setdefault('source', self.__class__.__name__.lower())
            out.setdefault(details['name'], []).append(details)
        return out


class LibMgr(PkgMgr):
    """One that a Python library asks."""
    LIB = None

    def __init__(self):
        self._lib = None
        super(LibMgr, self).__init__()

    def is_available(self, handle_exceptions=True):
        try:
            self._lib = __import__(self.LIB)
            return True
        except ImportError:
            if not handle_exceptions:
                raise
            return False


class RespawningLibMgr(LibMgr):
    """One whose library may be there for another Python."""
    CLI_BINARIES, INTERPRETERS = [], ['/usr/bin/python3']

    def is_available(self, handle_exceptions=True):
        if super(RespawningLibMgr, self).is_available():
            return True
        for program in self.CLI_BINARIES:
            try:
                get_bin_path(program)
            except ValueError:
                continue
            python = None if has_respawned() else probe_interpreters_for_module(self.INTERPRETERS, self.LIB)
            if python:
                respawn_module(python)
            if not handle_exceptions:
                raise Exception('Found executable at %s. %s' % (program, missing_required_lib(self.LIB)))
            break
        return False


class CLIMgr(PkgMgr):
    """One that a program asks."""
    CLI = None

    def __init__(self):
        self._cli = None
        super(CLIMgr, self).__init__()

    def is_available(self, handle_exceptions=True):
        try:
            self._cli = get_bin_path(self.CLI)
            return True
        except ValueError:
            if not handle_exceptions:
                raise
            return False
