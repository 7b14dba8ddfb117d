# Versions that can be compared, as distutils had them.
from __future__ import absolute_import

import re


class Version(object):
    def __init__(self, vstring=None):
        if vstring:
            self.parse(vstring)

    def __repr__(self):
        return "%s ('%s')" % (self.__class__.__name__, self)

    def _compared(self, other, answer):
        """`answer` to how the two stand to each other; nothing for what is no version."""
        order = self._cmp(other)
        return order if order is NotImplemented else answer(order)

    def __eq__(self, other):
        return self._compared(other, lambda order: order == 0)

    def __ne__(self, other):
        return self._compared(other, lambda order: order != 0)

    def __lt__(self, other):
        return self._compared(other, lambda order: order < 0)

    def __le__(self, other):
        return self._compared(other, lambda order: order <= 0)

    def __gt__(self, other):
        return self._compared(other, lambda order: order > 0)

    def __ge__(self, other):
        return self._compared(other, lambda order: order >= 0)

    __hash__ = object.__hash__

    def _cmp(self, other):
        if isinstance(other, str):
            other = self.__class__(other)
        elif not isinstance(other, self.__class__):
            return NotImplemented
        mine, theirs = self._key(), other._key()
        return 0 if mine == theirs else -1 if mine < theirs else 1


class StrictVersion(Version):
    """Two or three numbers, and perhaps "a" or "b" with a number."""
    version_re = re.compile(r'^(\d+)\.(\d+)(\.(\d+))?([ab](\d+))?$')

    def parse(self, vstring):
        found = self.version_re.match(vstring)
        if not found:
            raise ValueError("invalid version number '%s'" % vstring)
        self.version = tuple(int(found.group(n) or 0) for n in (1, 2, 4))
        early = found.group(5)
        self.prerelease = (early[0], int(found.group(6))) if early else None

    def __str__(self):
        numbers = self.version if self.version[2] else self.version[:2]
        return '.'.join(map(str, numbers)) + (self.prerelease[0] + str(self.prerelease[1]) if self.prerelease else '')

    def _key(self):
        # A release comes after all that came early.
        return self.version, self.prerelease or ('z', 0)


class LooseVersion(Version):
    """Numbers and words, compared one by one."""
    component_re = re.compile(r'(\d+ | [a-z]+ | \.)', re.VERBOSE)

    def __init__(self, vstring=None):
        if vstring:
            self.parse(vstring)

    def parse(self, vstring):
        self.vstring = vstring
        parts = [part for part in self.component_re.split(vstring) if part and part != '.']
        self.version = [int(part) if re.match(r'\d+$', part) else part for part in parts]

    def __str__(self):
        return self.vstring

    def __repr__(self):
        return "LooseVersion ('%s')" % self

    def _key(self):
        return self.version
