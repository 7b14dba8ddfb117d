"""The base of action plugins. What they do on the host, imgbuild does for them."""
import os
import posixpath
import shlex

import imgbuild
from imgbuild import ask, ask_value, pack, unpack

from ansible.errors import AnsibleActionFail, AnsibleActionSkip, AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.utils.display import Display


def _module(name, args, **more):
    return ask_value(dict({"module": name, "args": pack(args)}, **more))


class Shell:
    """How a POSIX host wants things said, and the folder for a task's own files, made when it is first asked for."""
    SHELL_FAMILY = "sh"
    executable = "/bin/sh"

    def __init__(self, action):
        self._action = action
        self._tmpdir = None

    @property
    def tmpdir(self):
        if self._tmpdir is None:
            self._tmpdir = self._action._make_tmp_path()
        return self._tmpdir

    def join_path(self, *args):
        return posixpath.join(*args)

    def path_has_trailing_slash(self, path):
        return path.endswith("/")

    def quote(self, text):
        return shlex.quote(text)

    def _unquote(self, text):
        return (shlex.split(text) or [""])[0]

    def get_option(self, name, *args):
        return {"remote_tmp": "~/.ansible/tmp", "admin_users": ["root"]}.get(name)

    def get_remote_filename(self, pathname):
        return os.path.basename(pathname.strip())

    def env_prefix(self, **kwargs):
        return " ".join("%s=%s" % (k, shlex.quote(str(v))) for k, v in kwargs.items())


class Connection:
    """The host's connection, as far as plugins ask for it."""
    has_pipelining = True
    has_native_async = False
    always_pipeline_modules = False
    supports_persistence = False
    become = None
    _socket_path = socket_path = None

    def __init__(self, action, told):
        self._action = action
        self._told = told
        self.transport = told.get("transport")
        self._load_name = self.transport
        self.ansible_name = self.transport
        self._shell = Shell(action)
        self._play_context = action._play_context

    def get_option(self, name, hostvars=None):
        return self._told.get(name)

    def set_option(self, name, value):
        raise AnsibleError("an action can't change its connection's options here (%s)" % name)

    def get_options(self):
        return dict(self._told)

    def exec_command(self, cmd, in_data=None, sudoable=True):
        done = self._action._low_level_execute_command(cmd, in_data=in_data, sudoable=sudoable)
        return done["rc"], done["stdout"], done["stderr"]

    def put_file(self, in_path, out_path):
        self._action._transfer_file(in_path, out_path)

    def fetch_file(self, in_path, out_path):
        ask_value({"action": "ansible.builtin.fetch", "args": pack(
            {"src": in_path, "dest": out_path, "flat": True, "validate_checksum": False})})

    def reset(self):
        ask({"reset": True})

    def close(self):
        pass

    connected = True


class Record:
    """Attributes from a mapping; what it does not hold is None."""

    def __init__(self, values):
        self.__dict__.update(values)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return None

    def copy(self, *args, **kwargs):
        made = Record({})
        made.__dict__.update({k: dict(v) if isinstance(v, dict) else v for k, v in self.__dict__.items()})
        return made

    def get_name(self, *args, **kwargs):
        return self.name

    def get_path(self):
        return self.path

    def get_search_path(self):
        return list(self.search_path or [])

    def get_role_name(self):
        return self.name


class ActionBase:
    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset()
    BYPASS_HOST_LOOP = False
    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def __init__(self, task=None, connection=None, play_context=None, loader=None, templar=None, shared_loader_obj=None):
        from ansible.plugins import loader as loaders
        self._task = task
        self._play_context = play_context
        self._loader = loader or DataLoader()
        self._templar = templar or Templar(self._loader)
        self._shared_loader_obj = shared_loader_obj or loaders
        self._display = Display()
        self._connection = connection if not isinstance(connection, dict) else Connection(self, connection)
        self._used_interpreter = None
        self._cleanup_remote_tmp = False

    def run(self, tmp=None, task_vars=None):
        args = self._task.args
        if self._task.async_val and not self._supports_async:
            raise AnsibleActionFail("This action (%s) does not support async." % self._task.action)
        if self._task.check_mode and not self._supports_check_mode:
            raise AnsibleActionSkip("This action (%s) does not support check mode." % self._task.action)
        if self._VALID_ARGS:
            invalid = sorted(set(args) - set(self._VALID_ARGS))
            if invalid:
                raise AnsibleActionFail("Invalid options for %s: %s" % (self._task.action, ",".join(invalid)))
        return {}

    def validate_argument_spec(self, argument_spec=None, mutually_exclusive=None, required_together=None,
                               required_one_of=None, required_if=None, required_by=None):
        from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
        validator = ArgumentSpecValidator(argument_spec or {}, mutually_exclusive, required_together, required_one_of,
                                          required_if, required_by)
        checked = validator.validate({k: v for k, v in self._task.args.items()})
        if checked.error_messages:
            raise AnsibleActionFail("Validation of arguments failed:\n%s" % "\n".join(checked.error_messages))
        return checked, checked.validated_parameters

    # Modules and commands
    def _execute_module(self, module_name=None, module_args=None, tmp=None, task_vars=None, persist_files=False,
                        delete_remote_tmp=None, wrap_async=False, ignore_unknown_opts=False):
        name = module_name or self._task.action
        args = dict(self._task.args if module_args is None else module_args)
        more = {"check": bool(self._task.check_mode), "async": bool(wrap_async)}
        if self._task.environment is not None:
            more["environment"] = pack(self._task.environment)
        return _module(name, args, **more)

    def _low_level_execute_command(self, cmd, sudoable=True, in_data=None, executable=None, encoding_errors=None, chdir=None):
        if isinstance(in_data, bytes):
            in_data = in_data.decode("utf-8", "surrogateescape")
        done = ask_value({"command": cmd, "become": sudoable, "input": in_data, "executable": executable, "chdir": chdir})
        return {name: done.get(name, "" if "lines" not in name else []) for name in (
            "rc", "stdout", "stdout_lines", "stderr", "stderr_lines")}

    def _compute_environment_string(self, raw_environment_out=None):
        environment = dict(self._task.environment_here or {})
        if raw_environment_out is not None:
            raw_environment_out.update(environment)
        return self._connection._shell.env_prefix(**environment)

    # Files of the host
    def _make_tmp_path(self, remote_user=None):
        made = _module("ansible.builtin.tempfile", {"state": "directory", "prefix": "ansible-tmp-"}, check=False)
        if made.get("failed"):
            raise AnsibleError("Failed to create temporary directory: %s" % made.get("msg"))
        self._cleanup_remote_tmp = made["path"]
        return made["path"]

    def _remove_tmp_path(self, tmp_path, force=False):
        if tmp_path:
            _module("ansible.builtin.file", {"path": tmp_path, "state": "absent"}, check=False)
            if self._connection is not None and self._connection._shell._tmpdir == tmp_path:
                self._connection._shell._tmpdir = None

    def cleanup(self, force=False):
        shell = getattr(self._connection, "_shell", None)
        if shell is not None and shell._tmpdir:
            self._remove_tmp_path(shell._tmpdir)

    def _early_needs_tmp_path(self):
        return False

    def _is_pipelining_enabled(self, module_style="new", wrap_async=False):
        return True

    def _transfer_file(self, local_path, remote_path):
        self._copied({"src": os.path.abspath(local_path), "dest": remote_path})
        return remote_path

    def _transfer_data(self, remote_path, data):
        if isinstance(data, (dict, list)):
            from ansible.module_utils.basic import jsonify
            data = jsonify(data)
        self._copied({"content": data, "dest": remote_path})
        return remote_path

    def _copied(self, args):
        done = ask_value({"action": "ansible.builtin.copy", "args": pack(args), "check": False})
        if done.get("failed"):
            raise AnsibleError("failed to transfer file to %s: %s" % (args["dest"], done.get("msg")))

    def _fixup_perms2(self, remote_paths, remote_user=None, execute=True):
        """Files get to the host as the user who is to read them."""
        if execute:
            paths = " ".join(shlex.quote(p) for p in remote_paths)
            self._low_level_execute_command("chmod u+x %s" % paths)
        return remote_paths

    def _remote_chmod(self, paths, mode, sudoable=False):
        return self._low_level_execute_command("chmod %s %s" % (mode, " ".join(shlex.quote(p) for p in paths)), sudoable)

    def _remote_chown(self, paths, user, sudoable=False):
        return self._low_level_execute_command("chown %s %s" % (user, " ".join(shlex.quote(p) for p in paths)), sudoable)

    def _execute_remote_stat(self, path, all_vars=None, follow=False, tmp=None, checksum=True):
        done = _module("ansible.builtin.stat", {
            "path": path, "follow": follow, "get_checksum": checksum, "checksum_algorithm": "sha1"}, check=False)
        if done.get("failed"):
            raise AnsibleError("Failed to get information on remote file (%s): %s" % (path, done.get("msg")))
        found = done["stat"]
        if not found["exists"]:
            found["checksum"] = "1"
        found.setdefault("checksum", "")
        return found

    def _remote_checksum(self, path, all_vars=None, follow=False):
        found = self._execute_remote_stat(path, all_vars, follow)
        return "3" if found["exists"] and found.get("isdir") else found["checksum"]

    def _remote_expand_user(self, path, sudoable=True, pathsep=None):
        if not path.startswith("~"):
            return path
        user, slash, rest = path.partition("/")
        home = self._low_level_execute_command("echo %s" % user, sudoable)["stdout"].strip()
        return home + slash + rest

    # Files of the controller
    def _find_needle(self, dirname, needle):
        return ask({"find": needle, "folder": dirname})["value"]

    # Results
    def _get_diff_data(self, destination, source, task_vars=None, content=None, source_file=True):
        found = self._execute_remote_stat(destination)
        before = ""
        if found["exists"] and not found.get("isdir"):
            import base64
            read = _module("ansible.builtin.slurp", {"src": destination}, check=False)
            before = base64.b64decode(read.get("content", "")).decode("utf-8", "replace")
        if source_file:
            with open(source, "rb") as file:
                source = file.read().decode("utf-8", "replace")
        return {"before_header": destination, "before": before, "after_header": destination,
                "after": source if content is None else content}

    def _parse_returned_data(self, res, profile="legacy"):
        import json
        try:
            return json.loads(res["stdout"][res["stdout"].index("{"):])
        except ValueError:
            return {"failed": True, "_ansible_parsed": False, "msg": "MODULE FAILURE", "module_stdout": res.get("stdout", ""),
                    "module_stderr": res.get("stderr", ""), "rc": res.get("rc")}

    def _ensure_invocation(self, result):
        if "invocation" not in result:
            result["invocation"] = "CENSORED: no_log is set" if self._task.no_log else {"module_args": dict(self._task.args)}
        return result

    def get_plugin_option(self, plugin, option, default=None):
        try:
            value = plugin.get_option(option)
        except (AttributeError, KeyError):
            value = None
        return default if value is None else value

    def get_connection_option(self, option, default=None):
        return self.get_plugin_option(self._connection, option, default)

    def get_become_option(self, option, default=None):
        return {"become_user": self._play_context.become_user}.get(option) or default

    @property
    def _remote_user(self):
        return self._play_context.remote_user

    def _get_remote_user(self):
        return self._play_context.remote_user

    def _get_admin_users(self):
        return ["root"]

    def _is_become_unprivileged(self):
        return bool(self._play_context.become) and self._play_context.become_user not in (None, "root")

    @staticmethod
    def get_shell_option(option, default=None):
        return default


def builtin(name):
    """An action plugin that is one of Ansible's own, as a class: imgbuild's action of that name runs."""
    short = name.replace("ansible.legacy.", "").replace("ansible.builtin.", "")

    class ActionModule(ActionBase):
        _supports_async = True

        def run(self, tmp=None, task_vars=None):
            called = self._task.action if short == "normal" else name
            kind = "module" if short == "normal" else "action"
            return ask_value({kind: called, "args": pack(dict(self._task.args)), "check": bool(self._task.check_mode)})

    ActionModule.__qualname__ = "ActionModule"
    return ActionModule


def made(task, play, connection, kind):
    """An action of a plugin's class for a task."""
    task, play = Record(task), Record(play)
    if task._role:
        task._role = Record(task._role)
    action = kind(task=task, connection=None, play_context=play)
    action._connection = Connection(action, connection)
    return action


def ended(action, variables):
    """Runs it; how it ends is its result, as the executor of Ansible sees it."""
    from ansible.errors import _AnsibleActionDone, AnsibleConnectionFailure
    imgbuild.told = {}
    try:
        result = action.run(task_vars=variables)
    except AnsibleConnectionFailure as error:
        result = {"unreachable": True, "msg": str(error)}
    except AnsibleActionSkip as error:
        result = dict(error.result, skipped=True, msg=str(error))
    except _AnsibleActionDone as error:
        result = dict(error.result)
    except AnsibleActionFail as error:
        result = dict(error.result, failed=True, msg=str(error))
    finally:
        told, imgbuild.told = imgbuild.told, None
        # Nothing that came out of a vault stays.
        action._loader.cleanup_all_tmp_files()
        action.cleanup()
    if not hasattr(result, "items"):
        result = unpack(pack({"failed": True, "msg": "the action gave no result"}))
    for key, more in told.items():
        result = dict(result, **{key: list(result.get(key) or []) + more})
    return result
