# A part of AnsibleModule: checksums, copies and replacements of files.
from __future__ import absolute_import

import errno
import hashlib
import os
import shutil
import tempfile
import time

from ansible.module_utils.common.file import is_executable
from ansible.module_utils.common.text.converters import to_bytes, to_native

DEFAULT_PERM = 0o666
PERM_BITS = 0o7777


def _algorithms():
    names = getattr(hashlib, 'algorithms_guaranteed', None) or ('md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512')
    out = {}
    for name in names:
        try:
            function = getattr(hashlib, name)
            function()
            out[name] = function
        except (AttributeError, ValueError):
            continue  # not on this system, as MD5 with FIPS
    return out


AVAILABLE_HASH_ALGORITHMS = _algorithms()


class Files(object):
    # Checksums
    def digest_from_file(self, filename, algorithm):
        """The checksum in hexadecimal; nothing if there is no such file."""
        path = to_bytes(filename, errors='surrogate_or_strict')
        if not os.path.exists(path):
            return None
        if os.path.isdir(path):
            self.fail_json(msg='attempted to take checksum of directory: %s' % filename)
        if hasattr(algorithm, 'hexdigest'):
            digest = algorithm
        else:
            if algorithm not in AVAILABLE_HASH_ALGORITHMS:
                self.fail_json(msg="Could not hash file '%s' with algorithm '%s'. Available algorithms: %s" % (
                    filename, algorithm, ', '.join(AVAILABLE_HASH_ALGORITHMS)))
            digest = AVAILABLE_HASH_ALGORITHMS[algorithm]()
        with open(os.path.realpath(path), 'rb') as file:
            for block in iter(lambda: file.read(65536), b''):
                digest.update(block)
        return digest.hexdigest()

    def md5(self, filename):
        if 'md5' not in AVAILABLE_HASH_ALGORITHMS:
            raise ValueError('MD5 not available.  Possibly running in FIPS mode')
        return self.digest_from_file(filename, 'md5')

    def sha1(self, filename):
        return self.digest_from_file(filename, 'sha1')

    def sha256(self, filename):
        return self.digest_from_file(filename, 'sha256')

    # Folders and files of its own
    @property
    def tmpdir(self):
        """A folder that goes when the module ends."""
        if self._tmpdir is None:
            base = None
            if self._remote_tmp is not None:
                base = os.path.expanduser(os.path.expandvars(self._remote_tmp))
                if not os.path.exists(base):
                    try:
                        os.makedirs(base, mode=0o700)
                    except (IOError, OSError):
                        base = None
            self._tmpdir = tempfile.mkdtemp(prefix='ansible-moduletmp-%s-' % time.time(), dir=base)
            if not self._keep_remote_files:
                self.add_cleanup_file(self._tmpdir)
        return self._tmpdir

    def add_cleanup_file(self, path):
        if path not in self.cleanup_files:
            self.cleanup_files.append(path)

    def do_cleanup_files(self):
        for path in self.cleanup_files:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                self.cleanup(path)

    def cleanup(self, tmpfile):
        if os.path.exists(tmpfile):
            try:
                os.unlink(tmpfile)
            except OSError as error:
                self.warn('could not cleanup %s: %s' % (tmpfile, to_native(error)))

    # Copies
    def backup_local(self, fn):
        """Copies the file beside itself; the name of the copy."""
        if not os.path.exists(fn):
            return ''
        copied = '%s.%s.%s' % (fn, os.getpid(), time.strftime('%Y-%m-%d@%H:%M:%S~', time.localtime(time.time())))
        try:
            self.preserved_copy(fn, copied)
        except (shutil.Error, IOError, OSError) as error:
            raise Exception('Could not make backup of %r to %r: %s' % (to_native(fn), copied, to_native(error)))
        return copied

    def preserved_copy(self, src, dest):
        """Copies a file with all its properties."""
        shutil.copy2(src, dest)
        if self.selinux_enabled():
            self.set_context_if_different(dest, self.selinux_context(src), False)
        found, new = os.stat(src), os.stat(dest)
        if found.st_uid != new.st_uid or found.st_gid != new.st_gid:
            try:
                os.chown(dest, found.st_uid, found.st_gid)
            except OSError as error:
                if error.errno != errno.EPERM:
                    raise
        flags = self.get_file_attributes(src, include_version=False).get('attr_flags', '')
        if flags:
            self.set_attributes_if_different(dest, '+' + flags, True)

    def append_to_file(self, filename, str):
        with open(os.path.expandvars(os.path.expanduser(filename)), 'a') as file:
            file.write(str)

    @staticmethod
    def is_executable(path):
        return is_executable(path)

    # Replacement
    def atomic_move(self, src, dest, unsafe_writes=False, keep_dest_attrs=True):
        """Puts `src` in the place of `dest` so that nobody sees a half of it; the properties of `dest` stay."""
        source, target = to_bytes(src, errors='surrogate_or_strict'), to_bytes(dest, errors='surrogate_or_strict')
        context, old = None, None
        if os.path.exists(target):
            if keep_dest_attrs:
                try:
                    old = os.stat(target)
                    os.chown(source, old.st_uid, old.st_gid)
                    os.chmod(source, old.st_mode & PERM_BITS)
                except OSError as error:
                    if error.errno != errno.EPERM:
                        raise
            if self.selinux_enabled():
                context = self.selinux_context(dest)
        elif self.selinux_enabled():
            context = self.selinux_default_context(dest)
        creating = not os.path.exists(target)
        try:
            os.rename(source, target)
        except (IOError, OSError) as error:
            if unsafe_writes and error.errno == errno.EBUSY:
                self._unsafe_writes(source, target)
            elif error.errno not in (errno.EPERM, errno.EXDEV, errno.EACCES, errno.ETXTBSY, errno.EBUSY):
                raise Exception('Could not replace %r with %r: %s' % (to_native(dest), to_native(src), to_native(error)))
            else:
                self._move_beside(source, target, dest, old, unsafe_writes)
        if creating:
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(target, DEFAULT_PERM & ~mask)
            try:
                os.chown(target, os.geteuid(), os.getegid())
            except OSError:
                pass
        if self.selinux_enabled():
            self.set_context_if_different(dest, context, False)

    def _move_beside(self, source, target, dest, old, unsafe_writes):
        """Copies into the folder of the target first, as it is in another filesystem."""
        folder = os.path.dirname(target) or b'.'
        try:
            handle, beside = tempfile.mkstemp(prefix='.ansible_tmp', suffix=to_native(os.path.basename(target)),
                                              dir=to_native(folder))
        except (IOError, OSError) as error:
            if unsafe_writes:
                return self._unsafe_writes(source, target)
            self.fail_json(msg='The destination directory (%s) is not writable by the current user.' % to_native(
                os.path.dirname(dest)), exception=error)
        os.close(handle)
        try:
            try:
                shutil.move(source, to_bytes(beside))
            except OSError:
                shutil.copy2(source, beside)  # the source may not be removed
            if self.selinux_enabled():
                self.set_context_if_different(beside, self.selinux_context(to_native(source))
                                              if os.path.exists(source) else self.selinux_default_context(dest), False)
            if old is not None:
                try:
                    made = os.stat(beside)
                    if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
                        os.chown(beside, old.st_uid, old.st_gid)
                    os.chmod(beside, old.st_mode & PERM_BITS)
                except OSError as error:
                    if error.errno != errno.EPERM:
                        raise
            try:
                os.rename(beside, target)
            except (IOError, OSError) as error:
                if unsafe_writes and error.errno == errno.EBUSY:
                    self._unsafe_writes(beside, target)
                else:
                    self.fail_json(msg='Unable to make %s into to %s, failed final rename from %s' % (
                        to_native(source), dest, beside), exception=error)
        finally:
            self.cleanup(beside)

    def _unsafe_writes(self, src, dest):
        """Writes into the file that is there, for those that can't be replaced."""
        try:
            with open(src, 'rb') as taken, open(dest, 'wb') as put:
                shutil.copyfileobj(taken, put)
        except (IOError, OSError) as error:
            self.fail_json(msg='Could not write data to file (%s) from (%s)' % (to_native(dest), to_native(src)),
                           exception=error)
