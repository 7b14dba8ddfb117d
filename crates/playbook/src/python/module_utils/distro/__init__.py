# Which distribution this is, as the library `distro` tells it, from os-release (and, for a more precise version, from
# /etc/debian_version and the release files of the Red Hat family).
from __future__ import absolute_import

import os
import re
import shlex

NORMALIZED_OS_ID = {'ol': 'oracle', 'opensuse-leap': 'opensuse'}
NORMALIZED_LSB_ID = {}
NORMALIZED_DISTRO_ID = {'redhat': 'rhel'}


def _read(path):
    try:
        with open(path, 'rb') as file:
            return file.read().decode('utf-8', 'replace')
    except (IOError, OSError):
        return ''


class LinuxDistribution(object):
    def __init__(self, include_lsb=None, os_release_file='', distro_release_file='', include_uname=None, root_dir=None,
                 include_oslevel=None):
        self._root = root_dir or '/'
        self.os_release_file, self.distro_release_file = os_release_file, distro_release_file
        self._cache = {}

    def _once(self, name, make):
        if name not in self._cache:
            self._cache[name] = make()
        return self._cache[name]

    def _path(self, path):
        return os.path.join(self._root, path)

    def _parse_os_release(self):
        text = self.os_release_file and _read(self.os_release_file) or _read(self._path('etc/os-release')) \
            or _read(self._path('usr/lib/os-release'))
        if not isinstance(text, str):
            text = text.encode('utf-8')
        found = {}
        try:
            words = shlex.split(text, comments=True)
        except ValueError:
            words = text.splitlines()
        for word in words:
            if '=' in word:
                key, value = word.split('=', 1)
                found[key.lower()] = value
        # "7 (Core)" or "12, Precise"
        word = re.search(r'\((\D+)\)|,\s*(\D+)', found.get('version', ''))
        if word:
            found['release_codename'] = (word.group(1) or word.group(2)).strip()
        name = found.get('version_codename') or found.get('ubuntu_codename') or found.get('release_codename')
        if name:
            found['codename'] = name
        return found

    def _parse_distro_release(self):
        """A file as /etc/redhat-release: "CentOS Linux release 7.9.2009 (Core)"."""
        folder = self._path('etc')
        names = [self.distro_release_file] if self.distro_release_file else [
            os.path.join(folder, name + '-release') for name in (
                'centos', 'oracle', 'almalinux', 'rocky', 'fedora', 'redhat', 'SuSE', 'arch', 'gentoo', 'slackware', 'alpine')]
        for path in names:
            line = (_read(path).splitlines() or [''])[0].strip()
            if not line:
                continue
            parts = re.match(r'^(.*?)(?:\s+(?:STL\s+)?release)?\s+(\d[\d.+\-a-z]*)\s*(?:\((.*)\))?', line)
            out = {'id': os.path.basename(path).rsplit('-', 1)[0].lower(), 'name': line}
            if parts:
                out.update(name=parts.group(1), version_id=parts.group(2))
                if parts.group(3):
                    out['codename'] = parts.group(3)
            return out
        return {}

    def os_release_info(self):
        return self._once('os', self._parse_os_release)

    def distro_release_info(self):
        return self._once('release', self._parse_distro_release)

    def lsb_release_info(self):
        return self._once('lsb', lambda: dict(
            (key[8:].lower().replace('id', 'distributor_id') if key == 'DISTRIB_ID' else key[8:].lower(), value.strip('"'))
            for key, _, value in (line.partition('=') for line in _read(self._path('etc/lsb-release')).splitlines())
            if key.startswith('DISTRIB_')))

    def uname_info(self):
        system, _, release = os.uname()[:3]
        return {} if system == 'Linux' else {'id': system.lower(), 'name': system, 'release': release.split('-')[0]}

    def id(self):
        for found, table in ((self.os_release_info().get('id'), NORMALIZED_OS_ID),
                             (self.distro_release_info().get('id'), NORMALIZED_DISTRO_ID),
                             (self.uname_info().get('id'), {})):
            if found:
                name = found.lower().replace(' ', '_')
                return table.get(name, name)
        return ''

    def name(self, pretty=False):
        info = self.os_release_info()
        name = info.get('name') or self.distro_release_info().get('name') or self.uname_info().get('name', '')
        if not pretty:
            return name
        if info.get('pretty_name'):
            return info['pretty_name']
        version = self.version(pretty=True)
        return name + (' ' + version if version else '')

    def version(self, pretty=False, best=False):
        info = self.os_release_info()
        words = re.findall(r'\d\S*', info.get('pretty_name', ''))
        versions = [info.get('version_id', ''), self.distro_release_info().get('version_id', ''), words[0] if words else '',
                    self.uname_info().get('release', '')]
        if self.id() == 'debian' or 'debian' in self.like().split():
            versions.append(_read(self._path('etc/debian_version')).strip())
        # The best one has the most parts, of those the first.
        version = max(versions, key=lambda one: one.count('.') if one else -1) if best else \
            ([one for one in versions if one] or [''])[0]
        if pretty and version and self.codename():
            version = '%s (%s)' % (version, self.codename())
        return version

    def version_parts(self, best=False):
        found = re.match(r'(\d+)\.?(\d+)?\.?(\d+)?', self.version(best=best))
        return tuple(part or '' for part in found.groups()) if found else ('', '', '')

    def major_version(self, best=False):
        return self.version_parts(best)[0]

    def minor_version(self, best=False):
        return self.version_parts(best)[1]

    def build_number(self, best=False):
        return self.version_parts(best)[2]

    def like(self):
        return self.os_release_info().get('id_like', '')

    def codename(self):
        return self.os_release_info().get('codename') or self.distro_release_info().get('codename', '')

    def info(self, pretty=False, best=False):
        return dict(id=self.id(), version=self.version(pretty, best), like=self.like(), codename=self.codename(),
                    version_parts=dict(major=self.major_version(best), minor=self.minor_version(best),
                                       build_number=self.build_number(best)))

    def linux_distribution(self, full_distribution_name=True):
        return self.name() if full_distribution_name else self.id(), self.version(), self.os_release_info().get('release_codename') or self.codename()

    def os_release_attr(self, attribute):
        return self.os_release_info().get(attribute, '')

    def distro_release_attr(self, attribute):
        return self.distro_release_info().get(attribute, '')

    def lsb_release_attr(self, attribute):
        return self.lsb_release_info().get(attribute, '')

    def uname_attr(self, attribute):
        return self.uname_info().get(attribute, '')


_distro = LinuxDistribution()
for _name in ('id', 'name', 'version', 'version_parts', 'major_version', 'minor_version', 'build_number', 'like', 'codename',
              'info', 'linux_distribution', 'os_release_info', 'distro_release_info', 'lsb_release_info', 'uname_info',
              'os_release_attr', 'distro_release_attr', 'lsb_release_attr', 'uname_attr'):
    globals()[_name] = getattr(_distro, _name)
