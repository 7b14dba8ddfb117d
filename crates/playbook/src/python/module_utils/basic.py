# AnsibleModule, the class that modules are written with, for this program: arguments in, a result out. It needs nothing but
# Python (2.7 or 3). Its parts are in common/: _commands, _files, _attributes, and arg_spec for the arguments.
from __future__ import absolute_import

import atexit
import copy
import datetime  # noqa: F401 (modules of old take these from here)
import errno  # noqa: F401
import grp  # noqa: F401
import hashlib  # noqa: F401
import json
import locale
import os
import platform
import pwd  # noqa: F401
import re
import select  # noqa: F401
import shlex  # noqa: F401
import shutil  # noqa: F401
import signal  # noqa: F401
import stat  # noqa: F401
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401
import time  # noqa: F401
import traceback
import types  # noqa: F401
from functools import reduce  # noqa: F401

from ansible.module_utils.common._attributes import HAVE_SELINUX, FileAttributes  # noqa: F401
from ansible.module_utils.common._collections_compat import (  # noqa: F401
    KeysView, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence, Set)
from ansible.module_utils.common._commands import PASSWD_ARG_RE, Commands, heuristic_log_sanitize  # noqa: F401
from ansible.module_utils.common._files import (  # noqa: F401
    AVAILABLE_HASH_ALGORITHMS, DEFAULT_PERM, PERM_BITS, Files)
from ansible.module_utils.common._utils import get_all_subclasses as _get_all_subclasses
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.module_utils.common.file import FILE_ATTRIBUTES, S_IRWU_RWG_RWO, S_IXANY, is_executable  # noqa: F401
from ansible.module_utils.common.file import format_attributes, get_flags_from_attributes  # noqa: F401
from ansible.module_utils.common.locale import get_best_parsable_locale
from ansible.module_utils.common.parameters import (  # noqa: F401
    DEFAULT_TYPE_VALIDATORS, PASS_BOOLS, PASS_VARS, env_fallback, remove_values, sanitize_keys)
from ansible.module_utils.common.process import get_bin_path  # noqa: F401
from ansible.module_utils.common.sys_info import (  # noqa: F401
    get_distribution, get_distribution_version, get_platform_subclass)
from ansible.module_utils.common.text.converters import (  # noqa: F401
    container_to_bytes as json_dict_unicode_to_bytes, container_to_text as json_dict_bytes_to_unicode, jsonify, to_bytes,
    to_native, to_text)
from ansible.module_utils.common.text.formatters import (  # noqa: F401
    SIZE_RANGES, bytes_to_human, human_to_bytes, lenient_lowercase)
from ansible.module_utils.common.validation import check_missing_parameters, safe_eval
from ansible.module_utils.common.warnings import (
    deprecate, error_as_warning, get_deprecation_messages, get_warning_messages, warn)
from ansible.module_utils.errors import (  # noqa: F401
    AnsibleFallbackNotFound, AnsibleValidationErrorMultiple, UnsupportedError)
from ansible.module_utils.parsing.convert_bool import BOOLEANS, BOOLEANS_FALSE, BOOLEANS_TRUE, boolean  # noqa: F401
from ansible.module_utils.six import (  # noqa: F401
    PY2, PY3, b, binary_type, integer_types, iteritems, string_types, text_type)
from ansible.module_utils.six.moves import map, reduce, shlex_quote  # noqa: F401,F811

# The arguments in JSON, as bytes; run.py puts them here.
_ANSIBLE_ARGS = None
_ANSIBLE_PROFILE = None
NoneType = type(None)
SEQUENCETYPE = frozenset, KeysView, Sequence
PASSWORD_MATCH = re.compile(r'^(?:.+[-_\s])?pass(?:[-_\s]?(?:word|phrase|wrd|wd)?)(?:[-_\s].+)?$', re.I)
HAS_SYSLOG, has_journal = False, False
FILE_COMMON_ARGUMENTS = dict(
    mode=dict(type='raw'), owner=dict(type='str'), group=dict(type='str'), seuser=dict(type='str'),
    serole=dict(type='str'), selevel=dict(type='str'), setype=dict(type='str'),
    attributes=dict(type='str', aliases=['attr']), unsafe_writes=dict(type='bool', default=False, fallback=(
        env_fallback, ['ANSIBLE_UNSAFE_WRITES'])))
_UNSET = object()


def get_platform():
    return platform.system()


def load_platform_subclass(cls, *args, **kwargs):
    """An object of the class for this system."""
    return super(cls, get_platform_subclass(cls)).__new__(get_platform_subclass(cls))


def get_all_subclasses(cls):
    return list(_get_all_subclasses(cls))


def get_module_path():
    return os.path.dirname(os.path.realpath(__file__))


def missing_required_lib(library, reason=None, url=None):
    text = "Failed to import the required Python library (%s) on %s's Python %s." % (library, platform.node(), sys.executable)
    if reason:
        text += ' This is required %s.' % reason
    if url:
        text += ' See %s for more info.' % url
    return text + (' Please read the module documentation and install it in the appropriate location. If the required library '
                   'is installed, but Ansible is using the wrong Python interpreter, please consult the documentation on '
                   'ansible_python_interpreter')


def _load_params():
    """The arguments; a module may look at them before it makes its AnsibleModule."""
    text = to_text(_ANSIBLE_ARGS if _ANSIBLE_ARGS is not None else sys.stdin.read(), errors='surrogateescape')
    try:
        params = json.loads(text)
        params = params['ANSIBLE_MODULE_ARGS']
    except ValueError:
        _end('Error: Module unable to decode stdin/parameters as valid JSON. Unable to parse what parameters were passed')
    except (KeyError, TypeError):
        _end('Error: Module unable to locate ANSIBLE_MODULE_ARGS in JSON data from stdin.  Unable to figure out what '
             'parameters were passed')
    return json_dict_unicode_to_bytes(params) if PY2 else params


def _end(text):
    print('\n' + json.dumps({'failed': True, 'msg': text}))
    sys.exit(1)


class AnsibleModule(Commands, Files, FileAttributes):
    def __init__(self, argument_spec, bypass_checks=False, no_log=False, mutually_exclusive=None, required_together=None,
                 required_one_of=None, add_file_common_args=False, supports_check_mode=False, required_if=None,
                 required_by=None):
        self._name = os.path.basename(__file__)
        self.argument_spec = argument_spec
        self.supports_check_mode, self.bypass_checks = supports_check_mode, bypass_checks
        self.check_mode, self.no_log = False, no_log
        self.mutually_exclusive, self.required_together = mutually_exclusive, required_together
        self.required_one_of, self.required_if, self.required_by = required_one_of, required_if, required_by
        self.cleanup_files, self.run_command_environ_update = [], {}
        self._diff, self._debug, self._verbosity, self._clean = False, False, 0, {}
        self._tmpdir, self._remote_tmp, self._keep_remote_files = None, None, False
        self.aliases, self._options_context, self.no_log_values = {}, [], set()
        if add_file_common_args:
            for name, option in FILE_COMMON_ARGUMENTS.items():
                self.argument_spec.setdefault(name, option)
        self._load_params()
        self._set_internal_properties()
        # Words of the arguments say more than those of the module.
        self.no_log = self.no_log or no_log
        atexit.register(self.do_cleanup_files)
        self._check_locale()
        self.validator = ModuleArgumentSpecValidator(
            self.argument_spec, self.mutually_exclusive, self.required_together, self.required_one_of, self.required_if,
            self.required_by)
        self.validation_result = self.validator.validate(self.params)
        self.params.update(self.validation_result.validated_parameters)
        self.no_log_values.update(self.validation_result._no_log_values)
        self.aliases.update(self.validation_result._aliases)
        errors = self.validation_result.errors.errors
        if self._ignore_unknown_opts:
            errors = [one for one in errors if not isinstance(one, UnsupportedError)]
        if errors:
            msg = errors[0].msg
            if isinstance(errors[0], UnsupportedError):
                msg = 'Unsupported parameters for (%s) module: %s' % (self._name, msg)
            self.fail_json(msg=msg)
        if self.check_mode and not self.supports_check_mode:
            self.exit_json(skipped=True, msg='remote module (%s) does not support check mode' % self._name)
        if not self.no_log:
            self._warn_of_passwords()
        self._set_cwd()

    def _load_params(self):
        self.params = _load_params()

    def _set_internal_properties(self, argument_spec=None, module_parameters=None):
        """Takes what the program says out of the arguments."""
        params = self.params if module_parameters is None else module_parameters
        for key, (attribute, default) in PASS_VARS.items():
            value = params.pop('_ansible_' + key, None)
            if value is not None:
                setattr(self, attribute, self.boolean(value) if key in PASS_BOOLS else value)
            elif not hasattr(self, attribute):
                setattr(self, attribute, copy.copy(default))
        for key in [key for key in params if key.startswith('_ansible_')]:
            params.pop(key)

    def _check_locale(self):
        """Uses the locale of the environment, and one that is there if it is not."""
        try:
            locale.setlocale(locale.LC_ALL, '')
        except locale.Error:
            best = get_best_parsable_locale(self)
            try:
                locale.setlocale(locale.LC_ALL, best)
            except locale.Error:
                return
            os.environ.update(LANG=best, LC_ALL=best, LC_MESSAGES=best)

    def _warn_of_passwords(self):
        for name in self.params:
            option = self.argument_spec.get(self.aliases.get(name, name), {})
            if option.get('no_log') is None and PASSWORD_MATCH.search(name):
                self.warn('Module did not set no_log for %s' % name)

    def _set_cwd(self):
        """Leaves a folder that this user may not read."""
        try:
            if os.access(os.getcwd(), os.F_OK | os.R_OK):
                return
        except OSError:
            pass
        for folder in (os.path.expandvars('$HOME'), tempfile.gettempdir()):
            try:
                if os.access(folder, os.F_OK | os.R_OK):
                    os.chdir(folder)
                    return
            except OSError:
                continue

    # Messages
    def warn(self, warning, help_text=None, **kwargs):
        warn(to_native(warning), help_text=help_text)

    def error_as_warning(self, msg, exception, help_text=None, **kwargs):
        error_as_warning(msg, exception, help_text=help_text)

    def deprecate(self, msg, version=None, date=None, collection_name=None, **kwargs):
        deprecate(to_native(msg), version=version, date=date, collection_name=collection_name, **kwargs)

    def log(self, msg, log_args=None):
        """Nothing: the log of the host has no part in it."""
        if not isinstance(msg, (binary_type, text_type)):
            raise TypeError('msg should be a string (got %s)' % type(msg))

    def debug(self, msg):
        if self._debug:
            self.log('[debug] %s' % msg)

    # Values
    def boolean(self, arg):
        if arg is None:
            return arg
        try:
            return boolean(arg)
        except TypeError as error:
            self.fail_json(msg=to_native(error))

    def safe_eval(self, value, locals=None, include_exceptions=False):
        return safe_eval(value, locals, include_exceptions)

    def jsonify(self, data):
        try:
            return jsonify(data)
        except UnicodeError as error:
            self.fail_json(msg=to_text(error))

    def from_json(self, data):
        return json.loads(data)

    @staticmethod
    def bytes_to_human(size):
        return bytes_to_human(size)

    pretty_bytes = bytes_to_human

    @staticmethod
    def human_to_bytes(number, isbits=False):
        return human_to_bytes(number, isbits=isbits)

    @staticmethod
    def get_buffer_size(fd):
        return 65536

    def fail_on_missing_params(self, required_params=None):
        if required_params:
            try:
                check_missing_parameters(self.params, required_params)
            except TypeError as error:
                self.fail_json(msg=to_native(error))

    # Results
    def _return_formatted(self, kwargs):
        self.add_path_info(kwargs)
        if 'invocation' not in kwargs:
            kwargs['invocation'] = {'module_args': self.params}
        if 'warnings' in kwargs:
            self.deprecate('Passing `warnings` to `exit_json` or `fail_json` is deprecated.', version='2.23',
                           help_text='Use `AnsibleModule.warn` instead.')
            added = kwargs['warnings']
            for one in added if isinstance(added, list) else [added]:
                self.warn(one)
        warnings = get_warning_messages()
        if warnings:
            kwargs['warnings'] = list(warnings)
        if 'deprecations' in kwargs:
            self.deprecate('Passing `deprecations` to `exit_json` or `fail_json` is deprecated.', version='2.23',
                           help_text='Use `AnsibleModule.deprecate` instead.')
            added = kwargs['deprecations']
            for one in added if isinstance(added, list) else [added]:
                if isinstance(one, SEQUENCETYPE) and not isinstance(one, string_types) and len(one) == 2:
                    self.deprecate(one[0], version=one[1])
                elif isinstance(one, Mapping):
                    self.deprecate(one['msg'], version=one.get('version'), date=one.get('date'),
                                   collection_name=one.get('collection_name'))
                else:
                    self.deprecate(one)
        deprecations = get_deprecation_messages()
        if deprecations:
            kwargs['deprecations'] = list(deprecations)
        text = self.jsonify(remove_values(kwargs, self.no_log_values))
        self.do_cleanup_files()
        print('\n%s' % text)
        sys.stdout.flush()

    def exit_json(self, **kwargs):
        self._return_formatted(kwargs)
        sys.exit(0)

    def fail_json(self, msg, exception=_UNSET, **kwargs):
        kwargs.update(failed=True, msg=msg)
        active = sys.exc_info()[1]
        if isinstance(exception, string_types):
            kwargs['exception'] = exception
        elif isinstance(exception, BaseException):
            trace = getattr(exception, '__traceback__', None) or (sys.exc_info()[2] if exception is active else None)
            kwargs['exception'] = to_native(''.join(traceback.format_exception(type(exception), exception, trace)))
        elif exception is _UNSET and active is not None and self._verbosity >= 3:
            kwargs['exception'] = to_native(traceback.format_exc())
        self._return_formatted(kwargs)
        sys.exit(1)
