# A part of AnsibleModule: owner, group, mode, SELinux context and flags of files.
from __future__ import absolute_import

import grp
import os
import pwd
import re
import stat

from ansible.module_utils.common.file import format_attributes
from ansible.module_utils.common.text.converters import to_bytes, to_native, to_text

try:
    from ansible.module_utils.compat import selinux
    HAVE_SELINUX = True
except ImportError:
    selinux, HAVE_SELINUX = None, False

_ALL = 0o7777
_SHIFT = {'u': 6, 'g': 3, 'o': 0}
# The bit that "s" and "t" mean for these users.
_SPECIAL = {('u', 's'): stat.S_ISUID, ('g', 's'): stat.S_ISGID, ('o', 't'): stat.S_ISVTX}
_CLEARED = {'u': stat.S_IRWXU | stat.S_ISUID, 'g': stat.S_IRWXG | stat.S_ISGID, 'o': stat.S_IRWXO | stat.S_ISVTX}


def _differs(diff, name, before, after):
    if diff is not None:
        diff.setdefault('before', {})[name] = before
        diff.setdefault('after', {})[name] = after


class FileAttributes(object):
    # SELinux
    def selinux_enabled(self):
        return HAVE_SELINUX and selinux.is_selinux_enabled() == 1

    def selinux_mls_enabled(self):
        return HAVE_SELINUX and selinux.is_selinux_mls_enabled() == 1

    def selinux_initial_context(self):
        return [None] * (4 if self.selinux_mls_enabled() else 3)

    def selinux_default_context(self, path, mode=0):
        context = self.selinux_initial_context()
        if not self.selinux_enabled():
            return context
        try:
            found = selinux.matchpathcon(to_native(path, errors='surrogate_or_strict'), mode)
        except OSError:
            return context
        return context if found[0] == -1 else found[1].split(':', 3)

    def selinux_context(self, path):
        context = self.selinux_initial_context()
        if not self.selinux_enabled():
            return context
        try:
            found = selinux.lgetfilecon_raw(to_native(path, errors='surrogate_or_strict'))
        except OSError as error:
            if not os.path.lexists(path):
                self.fail_json(path=path, msg='path %s does not exist' % path, exception=error)
            self.fail_json(path=path, msg='failed to retrieve selinux context', exception=error)
        return context if found[0] == -1 else found[1].split(':', 3)

    def find_mount_point(self, path):
        path = os.path.realpath(os.path.expanduser(os.path.expandvars(to_bytes(path, errors='surrogate_or_strict'))))
        while not os.path.ismount(path):
            path = os.path.dirname(path)
        return to_text(path, errors='surrogate_or_strict')

    def is_special_selinux_path(self, path):
        """Whether it lies in a filesystem whose files all have one context, and that context."""
        try:
            with open('/proc/mounts', 'r') as file:
                mounts = file.readlines()
        except (IOError, OSError):
            return False, None
        place = self.find_mount_point(path)
        for line in mounts:
            fields = line.split(' ', 4)
            if to_bytes(place) == to_bytes(fields[1]) and any(one in fields[2] for one in self._selinux_special_fs):
                return True, self.selinux_context(place)
        return False, None

    def set_default_selinux_context(self, path, changed):
        if not self.selinux_enabled():
            return changed
        return self.set_context_if_different(path, self.selinux_default_context(path), False)

    def set_context_if_different(self, path, context, changed, diff=None):
        if not self.selinux_enabled() or self.check_file_absent_if_check_mode(path):
            return changed or self.selinux_enabled()
        now = self.selinux_context(path)
        special, wanted = self.is_special_selinux_path(path)
        if not special:
            wanted = [new if new is not None else old for old, new in zip(now, context)] + now[len(context):]
        if now == wanted:
            return changed
        _differs(diff, 'secontext', now, wanted)
        if self.check_mode:
            return True
        try:
            rc = selinux.lsetfilecon(to_native(path), ':'.join(wanted))
        except OSError as error:
            self.fail_json(path=path, msg='invalid selinux context: %s' % to_native(error), new_context=wanted,
                           cur_context=now, input_was=context)
        if rc != 0:
            self.fail_json(path=path, msg='set selinux context failed')
        return True

    # Owner, group, mode
    def user_and_group(self, path, expand=True):
        found = os.lstat(self._expanded(path, expand))
        return found.st_uid, found.st_gid

    @staticmethod
    def _expanded(path, expand):
        path = to_bytes(path, errors='surrogate_or_strict')
        return os.path.expanduser(os.path.expandvars(path)) if expand else path

    def check_file_absent_if_check_mode(self, file_path):
        return self.check_mode and not os.path.exists(file_path)

    def _set_id(self, path, wanted, changed, diff, expand, what):
        if wanted is None:
            return changed
        real = self._expanded(path, expand)
        if self.check_file_absent_if_check_mode(real):
            return True
        program, kind = ('chown', 'user') if what == 'owner' else ('chgrp', 'group')
        now = self.user_and_group(real, False)[what == 'group']
        try:
            number = int(wanted)
        except ValueError:
            try:
                number = pwd.getpwnam(wanted).pw_uid if what == 'owner' else grp.getgrnam(wanted).gr_gid
            except KeyError:
                self.fail_json(path=to_text(real), msg='%s failed: failed to look up %s %s' % (program, kind, wanted))
        if now == number:
            return changed
        _differs(diff, what, now, number)
        if not self.check_mode:
            try:
                os.lchown(real, *((number, -1) if what == 'owner' else (-1, number)))
            except (IOError, OSError) as error:
                self.fail_json(path=to_text(real), msg='%s failed' % program, exception=error)
        return True

    def set_owner_if_different(self, path, owner, changed, diff=None, expand=True):
        return self._set_id(path, owner, changed, diff, expand, 'owner')

    def set_group_if_different(self, path, group, changed, diff=None, expand=True):
        return self._set_id(path, group, changed, diff, expand, 'group')

    def set_mode_if_different(self, path, mode, changed, diff=None, expand=True):
        if mode is None:
            return changed
        real = self._expanded(path, expand)
        if self.check_file_absent_if_check_mode(real):
            return True
        before = os.lstat(real)
        text = to_text(path, errors='surrogate_or_strict')
        if not isinstance(mode, int):
            try:
                mode = int(mode, 8)
            except Exception:
                try:
                    mode = self._symbolic_mode_to_octal(before, mode)
                except Exception as error:
                    self.fail_json(path=text, msg='mode must be in octal or symbolic form', details=to_native(error))
            if mode != stat.S_IMODE(mode):
                self.fail_json(path=text, msg='Invalid mode supplied, only permission info is allowed', details=mode)
        mode = stat.S_IMODE(mode)
        now = stat.S_IMODE(before.st_mode)
        if now == mode:
            return changed
        _differs(diff, 'mode', '0%03o' % now, '0%03o' % mode)
        if self.check_mode:
            return True
        try:
            if hasattr(os, 'lchmod'):
                os.lchmod(real, mode)
            elif not stat.S_ISLNK(before.st_mode):
                os.chmod(real, mode)
        except OSError as error:
            self.fail_json(path=text, msg='chmod failed', details=to_native(error))
        return stat.S_IMODE(os.lstat(real).st_mode) != now or changed

    @classmethod
    def _symbolic_mode_to_octal(cls, path_stat, symbolic_mode):
        """The mode that "u=rw,g+x" makes of the one that is there."""
        mode = start = stat.S_IMODE(path_stat.st_mode)
        folder = stat.S_ISDIR(path_stat.st_mode)
        for clause in symbolic_mode.split(','):
            found = re.match(r'^([ugoa]*)((?:[-+=][rwxXstugo]*)*)$', clause)
            if not found:
                raise ValueError('bad symbolic permission for mode: %s' % clause)
            users, mask = found.group(1).replace('a', 'ugo') or 'ugo', _ALL
            if not found.group(1):
                # Without users the umask has its say.
                mask = os.umask(0)
                os.umask(mask)
                mask = _ALL & ~mask
            for operator, permissions in re.findall(r'([-+=])([rwxXstugo]*)', found.group(2)):
                for user in users:
                    bits = cls._permissions(user, permissions, mode, mask, folder or bool(start & 0o111))
                    if operator == '=':
                        mode = mode & ~_CLEARED[user] | bits
                    else:
                        mode = mode | bits if operator == '+' else mode & ~bits
        return mode

    @staticmethod
    def _permissions(user, permissions, mode, mask, runs):
        bits, shift = 0, _SHIFT[user]
        for letter in permissions:
            if letter in 'st':
                bits |= _SPECIAL.get((user, letter), 0)
            elif letter in 'ugo':
                bits |= (mode >> _SHIFT[letter] & 7) << shift
            else:
                bits |= ({'r': 4, 'w': 2, 'x': 1, 'X': 1 if runs else 0}[letter] << shift) & mask
        return bits

    # Flags
    def get_file_attributes(self, path, include_version=True):
        """What lsattr tells: the flags, their names, and the version."""
        out, program = {}, self.get_bin_path('lsattr')
        if not program:
            return out
        try:
            rc, text, err = self.run_command([program, '-vd' if include_version else '-d', path])
        except Exception:
            return out
        fields = text.split()
        if rc == 0 and fields:
            if include_version:
                out['version'] = fields.pop(0).strip()
            out['attr_flags'] = fields[0].replace('-', '').strip()
            out['attributes'] = format_attributes(out['attr_flags'])
        return out

    def set_attributes_if_different(self, path, attributes, changed, diff=None, expand=True):
        if attributes is None:
            return changed
        real = self._expanded(path, expand)
        if self.check_file_absent_if_check_mode(real):
            return True
        there = self.get_file_attributes(real, include_version=False).get('attr_flags', '')
        operator = '='
        if attributes.startswith(('-', '+')):
            operator, attributes = attributes[0], attributes[1:]
        if there == attributes and operator != '-':
            return changed
        program = self.get_bin_path('chattr')
        if program:
            attributes = operator + attributes
            _differs(diff, 'attributes', there, attributes)
            if not self.check_mode:
                rc, out, err = self.run_command([program, attributes, real])
                if rc != 0 or err:
                    self.fail_json(path=to_text(real), msg='chattr failed',
                                   details='Error while setting attributes: %s' % (out + err))
        return True

    # All of them
    def load_file_common_arguments(self, params, path=None):
        """The properties of a file that the module was asked for."""
        path = path or params.get('path', params.get('dest', None))
        if path is None:
            return {}
        path = os.path.expanduser(os.path.expandvars(path))
        secontext = [params.get('seuser'), params.get('serole'), params.get('setype')]
        if self.selinux_mls_enabled():
            secontext.append(params.get('selevel'))
        default = self.selinux_default_context(path)
        secontext = [usual if one == '_default' else one for one, usual in zip(secontext, default)]
        names = ('mode', 'owner', 'group', 'seuser', 'serole', 'setype', 'selevel', 'attributes')
        return dict([(name, params.get(name)) for name in names], path=path, secontext=secontext)

    def set_fs_attributes_if_different(self, file_args, changed, diff=None, expand=True):
        path = file_args['path']
        changed = self.set_context_if_different(path, file_args.get('secontext') or [], changed, diff) \
            if file_args.get('secontext') else changed
        for name, change in (('owner', self.set_owner_if_different), ('group', self.set_group_if_different),
                             ('mode', self.set_mode_if_different), ('attributes', self.set_attributes_if_different)):
            changed = change(path, file_args.get(name), changed, diff, expand)
        return changed

    set_file_attributes_if_different = set_fs_attributes_if_different
    set_directory_attributes_if_different = set_fs_attributes_if_different

    def add_path_info(self, kwargs):
        """Adds what the file in `path` or `dest` is like."""
        path = kwargs.get('path', kwargs.get('dest', None))
        if path is None:
            return kwargs
        real = to_bytes(path, errors='surrogate_or_strict')
        if not os.path.exists(real):
            return kwargs
        found = os.lstat(real)
        kwargs.update(uid=found.st_uid, gid=found.st_gid, size=found.st_size, mode='%04o' % stat.S_IMODE(found.st_mode))
        try:
            kwargs['owner'] = pwd.getpwuid(found.st_uid).pw_name
        except KeyError:
            kwargs['owner'] = str(found.st_uid)
        try:
            kwargs['group'] = grp.getgrgid(found.st_gid).gr_name
        except KeyError:
            kwargs['group'] = str(found.st_gid)
        if os.path.islink(real):
            kwargs['state'] = 'link'
        elif os.path.isdir(real):
            kwargs['state'] = 'directory'
        else:
            kwargs['state'] = 'hard' if found.st_nlink > 1 else 'file'
        if self.selinux_enabled():
            kwargs['secontext'] = ':'.join(self.selinux_context(path))
        return kwargs
