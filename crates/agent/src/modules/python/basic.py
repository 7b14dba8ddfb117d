# What modules of users ask of ansible.module_utils.basic, written for this program: arguments in, a result out, commands,
# and the properties of files. Runs on Python 2.7 and 3.
import copy
import datetime
import grp
import hashlib
import json
import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import traceback

_ANSIBLE_ARGS = None
_PY3 = sys.version_info[0] >= 3
_text = str if _PY3 else unicode  # noqa: F821
BOOLEANS_TRUE = frozenset(('y', 'yes', 'on', '1', 'true', 't', 1, 1.0, True))
BOOLEANS_FALSE = frozenset(('n', 'no', 'off', '0', 'false', 'f', 0, 0.0, False))
BOOLEANS = BOOLEANS_TRUE.union(BOOLEANS_FALSE)
FILE_COMMON_ARGUMENTS = dict(
    mode=dict(type='raw'), owner=dict(type='str'), group=dict(type='str'), seuser=dict(type='str'),
    serole=dict(type='str'), selevel=dict(type='str'), setype=dict(type='str'),
    attributes=dict(type='str', aliases=['attr']), unsafe_writes=dict(type='bool', default=False))


def to_text(value, encoding='utf-8', errors='surrogateescape', nonstring='simplerepr'):
    if isinstance(value, _text):
        return value
    if isinstance(value, bytes):
        return value.decode(encoding, 'replace' if not _PY3 or errors is None or '_' in errors else errors)
    return value if nonstring == 'passthru' else _text(value)


def to_bytes(value, encoding='utf-8', errors='surrogateescape', nonstring='simplerepr'):
    if isinstance(value, bytes):
        return value
    if nonstring == 'passthru' and not isinstance(value, _text):
        return value
    return _text(value).encode(encoding, 'replace' if not _PY3 or errors is None or '_' in errors else errors)


to_native = to_text if _PY3 else to_bytes


def boolean(value, strict=True):
    wanted = value.strip().lower() if isinstance(value, (_text, bytes)) and hasattr(value, 'lower') else value
    try:
        if wanted in BOOLEANS_TRUE:
            return True
        if wanted in BOOLEANS_FALSE or not strict:
            return False
    except TypeError:
        pass
    raise TypeError("The value '%s' is not a valid boolean." % to_native(value))


def env_fallback(*names):
    for name in names:
        if name in os.environ:
            return os.environ[name]
    raise LookupError('none of these is set: %s' % ', '.join(names))


AnsibleFallbackNotFound = LookupError


def missing_required_lib(library, reason=None, url=None):
    text = 'Failed to import the required Python library (%s) on %s\'s Python %s.' % (
        library, os.uname()[1], sys.executable)
    return text + (' This is required %s.' % reason if reason else '') + (' See %s for more info.' % url if url else '')


def get_bin_path(arg, opt_dirs=None, required=None):
    dirs = list(opt_dirs or []) + os.environ.get('PATH', '').split(os.pathsep)
    for folder in dirs + ['/sbin', '/usr/sbin', '/usr/local/sbin']:
        path = os.path.join(folder, arg)
        if folder and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise ValueError('Failed to find required executable "%s" in paths: %s' % (arg, os.pathsep.join(dirs)))


def _plain(value):
    if isinstance(value, dict):
        return dict((to_text(k) if isinstance(k, bytes) else k, _plain(v)) for k, v in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(v) for v in value]
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return to_text(value) if isinstance(value, bytes) else value


def jsonify(data, **kwargs):
    return json.dumps(_plain(data), default=str, **kwargs)


def _to_dict(value):
    if isinstance(value, dict):
        return value
    if isinstance(value, (_text, str)):
        if value.strip().startswith('{'):
            try:
                return json.loads(value)
            except ValueError:
                raise TypeError('unable to evaluate string as dictionary')
        if '=' in value:
            return dict(part.split('=', 1) for part in shlex.split(value.replace(',', ' ')) if '=' in part)
    raise TypeError('dictionary requested, could not parse JSON or key=value')


def _convert(kind, value):
    if callable(kind):
        return kind(value)
    if kind == 'raw':
        return value
    if kind == 'bool':
        return boolean(value)
    if kind == 'int':
        return int(value)
    if kind == 'float':
        return float(value)
    if kind == 'list':
        if isinstance(value, list):
            return value
        return [p.strip() for p in value.split(',')] if isinstance(value, (_text, str)) else [_text(value)]
    if kind == 'dict':
        return _to_dict(value)
    if kind == 'path':
        return os.path.expanduser(os.path.expandvars(to_native(value)))
    if kind in ('json', 'jsonarg'):
        return value.strip() if isinstance(value, (_text, str)) else json.dumps(value)
    if kind in ('bytes', 'bits'):
        found = re.match(r'^\s*(\d*\.?\d*)\s*([A-Za-z]*)$', _text(value))
        if not found or not found.group(1):
            raise TypeError('not a size')
        power = 'KMGTPEZY'.find(found.group(2)[:1].upper()) + 1 if found.group(2) else 0
        return int(round(float(found.group(1)) * 1024 ** power))
    return value if isinstance(value, (_text, str)) else to_native(value)


class AnsibleModule(object):
    def __init__(self, argument_spec, bypass_checks=False, no_log=False, mutually_exclusive=None, required_together=None,
                 required_one_of=None, add_file_common_args=False, supports_check_mode=False, required_if=None,
                 required_by=None):
        given = json.loads(to_text(_ANSIBLE_ARGS))['ANSIBLE_MODULE_ARGS']
        self.argument_spec = dict(argument_spec)
        if add_file_common_args:
            for name, option in FILE_COMMON_ARGUMENTS.items():
                self.argument_spec.setdefault(name, option)
        self._name = given.pop('_ansible_module_name', 'module')
        self.check_mode = given.pop('_ansible_check_mode', False)
        self._diff = given.pop('_ansible_diff', False)
        self._verbosity = given.pop('_ansible_verbosity', 0)
        self._debug = given.pop('_ansible_debug', False)
        self.no_log = no_log or given.pop('_ansible_no_log', False)
        self.ansible_version = given.pop('_ansible_version', '2.19')
        self._tmpdir = given.pop('_ansible_tmpdir', None)
        for name in [n for n in given if n.startswith('_ansible_')]:
            given.pop(name)
        self.supports_check_mode = supports_check_mode
        self.run_command_environ_update = {}
        self.no_log_values = set()
        self.cleanup_files = []
        self._warnings, self._deprecations = [], []
        if self.check_mode and not supports_check_mode:
            self.exit_json(skipped=True, msg='remote module (%s) does not support check mode' % self._name)
        self.params = self._checked(self.argument_spec, given, '')
        self._relations(self.params, mutually_exclusive, required_together, required_one_of, required_if, required_by)

    def _checked(self, spec, given, place):
        given = dict(given)
        out, known = {}, set()
        for name, option in spec.items():
            names = [name] + list(option.get('aliases') or [])
            known.update(names)
            for alias in names:
                if alias in given:
                    out[name] = given[alias]
                    if alias != name:
                        out[alias] = given[alias]
                    break
        unknown = sorted(n for n in given if n not in known)
        if unknown:
            self.fail_json(msg='Unsupported parameters for (%s) module: %s. Supported parameters include: %s.' % (
                self._name, ', '.join(place + n for n in unknown), ', '.join(sorted(spec))))
        missing = []
        for name, option in spec.items():
            value = out.get(name)
            if value is None and option.get('fallback'):
                fallback = option['fallback']
                try:
                    value = fallback[0](*(fallback[1] if len(fallback) > 1 and isinstance(fallback[1], (list, tuple)) else []))
                except LookupError:
                    pass
            if value is None:
                value = option.get('default')
            if value is None:
                if option.get('required'):
                    missing.append(name)
                out[name] = None
                continue
            kind = option.get('type') or 'str'
            try:
                value = _convert(kind, value)
                if kind == 'list' and option.get('elements') and not option.get('options'):
                    value = [_convert(option['elements'], v) for v in value]
            except (TypeError, ValueError) as error:
                self.fail_json(msg='argument \'%s%s\' is of type %s and we were unable to convert to %s: %s' % (
                    place, name, type(value), kind, error))
            if option.get('options') and value is not None:
                inner = place + name + '.'
                if kind == 'list':
                    value = [self._sub(option, _to_dict(v), inner) for v in value]
                else:
                    value = self._sub(option, value, inner)
            choices = option.get('choices')
            if choices is not None:
                for one in value if isinstance(value, list) else [value]:
                    if one not in choices:
                        self.fail_json(msg='value of %s%s must be one of: %s, got: %s' % (
                            place, name, ', '.join(map(str, choices)), one))
            if option.get('no_log') and isinstance(value, (_text, str)) and value:
                self.no_log_values.add(value)
            out[name] = value
        if missing:
            self.fail_json(msg='missing required arguments: %s' % ', '.join(sorted(missing)))
        return out

    def _sub(self, option, value, place):
        out = self._checked(option['options'], value, place)
        self._relations(out, *[option.get(n) for n in (
            'mutually_exclusive', 'required_together', 'required_one_of', 'required_if', 'required_by')])
        return out

    def _relations(self, values, exclusive, together, one_of, required_if, required_by):
        def has(name):
            return values.get(name) is not None

        def groups(value):
            return [value] if value and isinstance(value[0], (_text, str)) else value or []
        for group in groups(exclusive):
            if sum(map(has, group)) > 1:
                self.fail_json(msg='parameters are mutually exclusive: %s' % '|'.join(group))
        for group in groups(together):
            if 0 < sum(map(has, group)) < len(group):
                self.fail_json(msg='parameters are required together: %s' % ', '.join(group))
        for group in groups(one_of):
            if not any(map(has, group)):
                self.fail_json(msg='one of the following is required: %s' % ', '.join(group))
        for rule in required_if or []:
            missing = [n for n in rule[2] if not has(n)]
            some = len(rule) > 3 and rule[3]
            if values.get(rule[0]) == rule[1] and missing and (not some or len(missing) == len(rule[2])):
                self.fail_json(msg='%s is %s but %s of the following are missing: %s' % (
                    rule[0], rule[1], 'any' if some else 'all', ', '.join(missing)))
        for name, needed in (required_by or {}).items():
            missing = [n for n in ([needed] if isinstance(needed, (_text, str)) else needed) if not has(n)]
            if has(name) and missing:
                self.fail_json(msg="missing parameter(s) required by '%s': %s" % (name, ', '.join(missing)))

    # Results
    def _hidden(self, value):
        if isinstance(value, dict):
            return dict((k, self._hidden(v)) for k, v in value.items())
        if isinstance(value, list):
            return [self._hidden(v) for v in value]
        if isinstance(value, (_text, str)):
            for secret in self.no_log_values:
                value = value.replace(secret, '********')
        return value

    def _finish(self, result, status):
        for name, added in (('warnings', self._warnings), ('deprecations', self._deprecations)):
            if added:
                result[name] = list(result.get(name) or []) + added
        if hasattr(self, 'params'):
            result.setdefault('invocation', {'module_args': self.params})
        for path in self.cleanup_files:
            self.do_cleanup_files_of(path)
        print('\n' + json.dumps(self._hidden(_plain(result)), default=str))
        sys.stdout.flush()
        sys.exit(status)

    def exit_json(self, **kwargs):
        kwargs.setdefault('changed', False)
        self._finish(kwargs, 0)

    def fail_json(self, msg='', **kwargs):
        kwargs.update(failed=True, msg=msg)
        kwargs.setdefault('changed', False)
        if 'exception' in kwargs and not isinstance(kwargs['exception'], (_text, str, bytes)):
            kwargs['exception'] = traceback.format_exc()
        self._finish(kwargs, 1)

    def fail_on_missing_params(self, required_params=None):
        missing = [n for n in required_params or [] if not self.params.get(n)]
        if missing:
            self.fail_json(msg='missing required arguments: %s' % ', '.join(missing))

    def warn(self, warning, **kwargs):
        self._warnings.append(to_native(warning))

    def deprecate(self, msg, version=None, date=None, collection_name=None, **kwargs):
        self._deprecations.append({'msg': to_native(msg), 'version': version, 'date': date})

    def log(self, msg, log_args=None):
        pass

    def debug(self, msg):
        pass

    # Values
    def boolean(self, arg):
        return None if arg is None else boolean(arg)

    def jsonify(self, data):
        return jsonify(data)

    def from_json(self, data):
        return json.loads(data)

    # Commands
    def get_bin_path(self, arg, required=False, opt_dirs=None):
        try:
            return get_bin_path(arg, opt_dirs)
        except ValueError as error:
            if required:
                self.fail_json(msg=str(error))
            return None

    def run_command(self, args, check_rc=False, close_fds=True, executable=None, data=None, binary_data=False,
                    path_prefix=None, cwd=None, use_unsafe_shell=False, prompt_regex=None, environ_update=None, umask=None,
                    encoding='utf-8', errors='surrogateescape', expand_user_and_vars=True, pass_fds=None,
                    before_communicate_callback=None, ignore_invalid_cwd=True, handle_exceptions=True):
        shell = use_unsafe_shell
        if shell and isinstance(args, list):
            quote = getattr(shlex, 'quote', None) or __import__('pipes').quote
            args = ' '.join(quote(a) for a in args)
        elif not shell and not isinstance(args, list):
            args = shlex.split(to_native(args))
        if not shell and expand_user_and_vars:
            args = [os.path.expanduser(os.path.expandvars(to_native(a))) for a in args]
        elif not shell:
            args = [to_native(a) for a in args]
        env = dict(os.environ, **self.run_command_environ_update)
        env.update(environ_update or {})
        if path_prefix:
            env['PATH'] = path_prefix + os.pathsep + env.get('PATH', '')
        if cwd and not os.path.isdir(cwd):
            if not ignore_invalid_cwd:
                self.fail_json(msg='Provided cwd is not a valid directory: %s' % cwd)
            cwd = None
        before = os.umask(umask) if umask is not None else None
        try:
            process = subprocess.Popen(args, shell=shell, executable=executable or ('/bin/sh' if shell else None), cwd=cwd,
                                       env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if before_communicate_callback:
                before_communicate_callback(process)
            if data is not None and not binary_data:
                data = to_bytes(data) + b'\n'
            out, err = process.communicate(data)
            rc = process.returncode
        except (IOError, OSError) as error:
            if not handle_exceptions:
                raise
            self.fail_json(rc=error.errno or 257, stdout='', stderr='', msg=to_native(error), cmd=args)
        finally:
            if before is not None:
                os.umask(before)
        if encoding is not None:
            out, err = to_native(out), to_native(err)
        if check_rc and rc != 0:
            self.fail_json(cmd=args, rc=rc, stdout=to_native(out), stderr=to_native(err), msg=to_native(err).rstrip())
        return rc, out, err

    # Files
    @property
    def tmpdir(self):
        if self._tmpdir is None:
            self._tmpdir = tempfile.mkdtemp(prefix='ansible-moduletmp-')
            self.cleanup_files.append(self._tmpdir)
        return self._tmpdir

    def add_cleanup_file(self, path):
        self.cleanup_files.append(path)

    def do_cleanup_files(self):
        for path in self.cleanup_files:
            self.do_cleanup_files_of(path)

    def do_cleanup_files_of(self, path):
        shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.path.exists(path) and os.unlink(path)

    def digest_from_file(self, filename, algorithm):
        if not os.path.exists(filename):
            return None
        if os.path.isdir(filename):
            self.fail_json(msg='attempted to take checksum of directory: %s' % filename)
        digest = algorithm if hasattr(algorithm, 'hexdigest') else hashlib.new(algorithm)
        with open(filename, 'rb') as file:
            for block in iter(lambda: file.read(65536), b''):
                digest.update(block)
        return digest.hexdigest()

    def md5(self, filename):
        return self.digest_from_file(filename, 'md5')

    def sha1(self, filename):
        return self.digest_from_file(filename, 'sha1')

    def sha256(self, filename):
        return self.digest_from_file(filename, 'sha256')

    def backup_local(self, filename):
        if not os.path.exists(filename):
            return ''
        copied = '%s.%s.%s' % (filename, os.getpid(), time.strftime('%Y-%m-%d@%H:%M:%S~', time.localtime()))
        shutil.copy2(filename, copied)
        return copied

    def cleanup(self, path):
        if os.path.exists(path):
            os.unlink(path)

    def atomic_move(self, src, dest, unsafe_writes=False, keep_dest_attrs=True):
        if os.path.exists(dest) and keep_dest_attrs:
            old = os.stat(dest)
            os.chmod(src, stat.S_IMODE(old.st_mode))
            try:
                os.chown(src, old.st_uid, old.st_gid)
            except OSError:
                pass
        elif not os.path.exists(dest):
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(src, 0o666 & ~mask)
        try:
            os.rename(src, dest)
        except OSError:
            beside = '%s.%s.tmp' % (dest, os.getpid())
            try:
                shutil.copy2(src, beside)
                os.rename(beside, dest)
                os.unlink(src)
            except (IOError, OSError) as error:
                self.fail_json(msg='Could not replace file: %s to %s: %s' % (src, dest, error))

    def load_file_common_arguments(self, params, path=None):
        path = path or params.get('path') or params.get('dest')
        if path is None:
            return {}
        out = dict((n, params.get(n)) for n in FILE_COMMON_ARGUMENTS if n != 'unsafe_writes')
        return dict(out, path=os.path.expanduser(os.path.expandvars(path)))

    def set_mode_if_different(self, path, mode, changed, diff=None, expand=True):
        if mode is None or not os.path.lexists(path):
            return changed
        now = stat.S_IMODE(os.lstat(path).st_mode)
        if not isinstance(mode, int):
            try:
                mode = int(mode, 8)
            except ValueError:
                rc, out, err = self.run_command(['chmod', '-c', mode, path]) if not self.check_mode else (0, 'x', '')
                return changed or bool(out)
        if now == mode or os.path.islink(path):
            return changed
        if not self.check_mode:
            os.chmod(path, mode)
        return True

    def set_owner_if_different(self, path, owner, changed, diff=None, expand=True):
        if owner is None:
            return changed
        try:
            uid = int(owner) if _text(owner).isdigit() else pwd.getpwnam(owner).pw_uid
        except KeyError:
            self.fail_json(path=path, msg='chown failed: failed to look up user %s' % owner)
        if os.lstat(path).st_uid == uid:
            return changed
        if not self.check_mode:
            os.lchown(path, uid, -1)
        return True

    def set_group_if_different(self, path, group, changed, diff=None, expand=True):
        if group is None:
            return changed
        try:
            gid = int(group) if _text(group).isdigit() else grp.getgrnam(group).gr_gid
        except KeyError:
            self.fail_json(path=path, msg='chgrp failed: failed to look up group %s' % group)
        if os.lstat(path).st_gid == gid:
            return changed
        if not self.check_mode:
            os.lchown(path, -1, gid)
        return True

    def set_fs_attributes_if_different(self, file_args, changed, diff=None, expand=True):
        path = file_args['path']
        for name in ('seuser', 'serole', 'selevel', 'setype', 'attributes'):
            if file_args.get(name) not in (None, ''):
                self.fail_json(msg='%s can not be set by a module of the playbook\'s own without ansible-core' % name)
        changed = self.set_owner_if_different(path, file_args.get('owner'), changed, diff)
        changed = self.set_group_if_different(path, file_args.get('group'), changed, diff)
        return self.set_mode_if_different(path, file_args.get('mode'), changed, diff)

    set_file_attributes_if_different = set_fs_attributes_if_different
    set_directory_attributes_if_different = set_fs_attributes_if_different


def json_dict_bytes_to_unicode(value, **kwargs):
    return _plain(value)


def remove_values(value, no_log_strings):
    for secret in no_log_strings:
        value = value.replace(secret, '********') if isinstance(value, (_text, str)) else value
    return copy.deepcopy(value)
