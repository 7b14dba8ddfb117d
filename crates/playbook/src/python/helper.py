"""Runs plugins of the user. The first line on its input holds the modules that come with imgbuild and where collections are; then
each line is a request."""
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import types

# The program that started this one decides when it ends.
signal.signal(signal.SIGINT, signal.SIG_IGN)
source = os.fdopen(os.dup(0), "r", encoding="utf-8", newline="\n")
os.close(0)
os.open(os.devnull, os.O_RDONLY)
first = source.readline()
if not first:
    sys.exit(0)
told = json.loads(first)


class Brought(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules that come with the program, and actions of Ansible's own by name."""

    def find_spec(self, name, path=None, target=None):
        place = name.replace(".", "/")
        for file, package in ((place + "/__init__.py", True), (place + ".py", False)):
            if file in told["modules"]:
                return importlib.machinery.ModuleSpec(name, self, origin=file, is_package=package)
        synthetic = name.startswith(("ansible.plugins.action.", "ansible.plugins.filter.", "ansible.plugins.test."))
        return importlib.machinery.ModuleSpec(name, self, origin=None) if synthetic else None

    def create_module(self, spec):
        if spec.origin is None and not spec.name.startswith("ansible.plugins.action."):
            from ansible.plugins.filter import Functions, Tests
            return (Tests if ".test." in spec.name else Functions)(spec.name)
        return None

    def exec_module(self, module):
        spec = module.__spec__
        if spec.origin is not None:
            exec(compile(told["modules"][spec.origin], spec.origin, "exec"), module.__dict__)
        elif spec.name.startswith("ansible.plugins.action."):
            from ansible.plugins.action import builtin
            module.ActionModule = builtin("ansible.builtin." + spec.name.rpartition(".")[2])


sys.meta_path.insert(0, Brought())
collections = types.ModuleType("ansible_collections")
collections.__path__ = told["collections"]
sys.modules["ansible_collections"] = collections

from imgbuild import Undefined, pack, receive, send, unpack  # noqa: E402
from imgbuild.variables import Variables  # noqa: E402

from ansible.errors import AnsibleError  # noqa: E402
from ansible.utils.display import Display  # noqa: E402

# Old plugins take it from the program that runs them.
sys.modules["__main__"].display = Display()
loaded = {}


def load(path):
    if path not in loaded:
        loaded[path] = load_new(path)
    return loaded[path]


def load_new(path):
    parts = os.path.splitext(path)[0].split("/")
    if "ansible_collections" in parts:
        # Under its own name, so that it finds what stands beside it.
        at = len(parts) - 1 - parts[::-1].index("ansible_collections")
        return importlib.import_module(".".join(parts[at:]))
    name = "imgbuild_plugin_%d_%s" % (len(loaded), parts[-1])
    spec = importlib.util.spec_from_file_location(name, path)
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


def functions(path, kind):
    made = load(path)
    holder = getattr(made, {"filter": "FilterModule", "test": "TestModule"}[kind], None)
    if holder is None:
        return {}
    return holder().filters() if kind == "filter" else holder().tests()


def wants_jinja(function):
    names = ("jinja_pass_arg", "contextfilter", "environmentfilter", "evalcontextfilter", "contextfunction")
    return any(getattr(function, name, None) for name in names)


def undefined(values):
    for value in values:
        if isinstance(value, Undefined):
            return value
    return None


def call(request):
    values = [unpack(value) for value in request["values"]]
    kwargs = {str(k): v for k, v in unpack(request["kwargs"]).items()}
    if request["kind"] == "lookup":
        from ansible.parsing.dataloader import DataLoader
        from ansible.template import Templar
        kind = load(request["path"]).LookupModule
        # Nothing is looked up with an undefined value, unless the plugin says that it can.
        missing = None if getattr(kind, "accept_args_markers", False) else undefined(values + list(kwargs.values()))
        if missing is not None:
            return missing
        variables = Variables()
        loader = DataLoader()
        plugin = kind(loader=loader, templar=Templar(loader, variables))
        plugin.set_options(var_options=variables, direct=kwargs) if hasattr(plugin, "set_options") else None
        try:
            return list(plugin.run(values, variables=variables, **kwargs))
        finally:
            loader.cleanup_all_tmp_files()
    function = functions(request["path"], request["kind"])[request["name"]]
    if wants_jinja(function):
        raise TypeError("it asks for Jinja's own context, which only Python's Jinja has")
    missing = None if getattr(function, "accept_args_markers", False) else undefined(values + list(kwargs.values()))
    return function(*values, **kwargs) if missing is None else missing


def act(request):
    from ansible.plugins.action import ended, made
    task, play, connection = (unpack(request[name]) for name in ("task", "play", "connection"))
    action = made(task, play, connection, load(request["path"]).ActionModule)
    return ended(action, Variables())


def why(error):
    text = str(error) or type(error).__name__
    plain = isinstance(error, (AnsibleError, ImportError))
    return text if plain else "%s: %s" % (type(error).__name__, text)


while True:
    request = receive()
    try:
        if request["do"] == "names":
            send({"names": sorted(str(name) for name in functions(request["path"], request["kind"]))})
        elif request["do"] == "accepts":
            send({"accepts": bool(getattr(load(request["path"]).LookupModule, "accept_args_markers", False))})
        elif request["do"] == "act":
            send({"value": pack(act(request))})
        else:
            send({"value": pack(call(request))})
    except (Exception, SystemExit) as error:
        send({"failed": why(error)})
