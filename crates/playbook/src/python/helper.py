"""Runs filters, tests and lookups of the user. One message a line, in JSON; what plugins print goes to standard error.

Of Ansible there is what such plugins commonly import: error classes, conversions of text, the base of lookups. Nothing else.
"""
import base64
import datetime
import importlib.util
import json
import os
import signal
import sys
import types

# The program that started this one decides when it ends.
signal.signal(signal.SIGINT, signal.SIG_IGN)
out = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
os.dup2(2, 1)
source = os.fdopen(os.dup(0), "r", encoding="utf-8", newline="\n")
os.close(0)
os.open(os.devnull, os.O_RDONLY)


def send(message):
    out.write(json.dumps(message) + "\n")
    out.flush()


def pack(value, depth=0):
    """A value of Python as JSON; what JSON lacks is a list with a name in front."""
    if depth > 200:
        raise ValueError("the value holds itself")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if value == value and value not in (float("inf"), float("-inf")) else {"!float": repr(value)}
    if isinstance(value, (bytes, bytearray)):
        return {"!bytes": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat(" ") if isinstance(value, datetime.datetime) else value.isoformat()
    if hasattr(value, "items"):
        pairs = [[pack(k, depth + 1), pack(v, depth + 1)] for k, v in value.items()]
        return {"!map": pairs}
    if hasattr(value, "__iter__"):
        return [pack(item, depth + 1) for item in value]
    raise TypeError("a plugin can't give a value of type %s" % type(value).__name__)


def unpack(value):
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if isinstance(value, dict):
        (kind, inner), = value.items()
        if kind == "!map":
            return {unpack(k): unpack(v) for k, v in inner}
        if kind == "!bytes":
            return base64.b64decode(inner)
        return float(inner)
    return value


def ask(question):
    send(question)
    answer = json.loads(source.readline())
    if "error" in answer:
        raise AnsibleError(answer["error"])
    return answer


class AnsibleError(Exception):
    def __init__(self, message="", obj=None, show_content=True, suppress_extended_error=False, orig_exc=None, **more):
        super().__init__(message)
        self.message = message
        self.orig_exc = orig_exc


ERRORS = """AnsibleFilterError AnsibleLookupError AnsibleOptionsError AnsibleParserError AnsibleRuntimeError AnsibleUndefinedVariable
AnsibleFilterTypeError AnsibleTemplateError AnsibleFileNotFound AnsibleAssertionError AnsibleTypeError AnsibleValueError
AnsibleTemplatePluginError AnsiblePluginError AnsibleInternalError""".split()


def to_text(obj, encoding="utf-8", errors=None, nonstring="simplerepr"):
    if isinstance(obj, bytes):
        return obj.decode(encoding, errors or "surrogateescape")
    return obj if isinstance(obj, str) or nonstring == "passthru" else str(obj)


def to_bytes(obj, encoding="utf-8", errors=None, nonstring="simplerepr"):
    if isinstance(obj, bytes) or nonstring == "passthru" and not isinstance(obj, str):
        return obj
    return str(obj).encode(encoding, errors or "surrogateescape")


def boolean(value, strict=True):
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in ("y", "yes", "on", "1", "true", "t", "1.0"):
        return True
    if text in ("n", "no", "off", "0", "false", "f", "0.0") or not strict:
        return False
    raise TypeError("The value '%s' is not a valid boolean." % value)


def is_sequence(obj, include_strings=False):
    return isinstance(obj, (list, tuple)) or include_strings and isinstance(obj, (str, bytes))


def merge_hash(x, y, recursive=True, list_merge="replace"):
    if list_merge != "replace":
        raise AnsibleError("merge_hash with list_merge=%s is not available to plugins here" % list_merge)
    merged = dict(x)
    for key, value in y.items():
        old = merged.get(key)
        both = recursive and isinstance(old, dict) and isinstance(value, dict)
        merged[key] = merge_hash(old, value) if both else value
    return merged


class Display:
    def __init__(self, *args, **kwargs):
        pass

    def warning(self, text, *args, **kwargs):
        ask({"warning": str(text)})

    deprecated = error = warning

    def display(self, text, *args, **kwargs):
        print(text, file=sys.stderr)

    def vvv(self, text, *args, **kwargs):
        pass

    v = vv = vvvv = vvvvv = verbose = debug = vvv


class Variables:
    """The variables where a lookup was written, each rendered when it is asked for."""

    def __getitem__(self, name):
        answer = ask({"variable": name})
        if "value" not in answer:
            raise KeyError(name)
        return unpack(answer["value"])

    def get(self, name, default=None):
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name):
        return name in self.keys()

    def __iter__(self):
        return iter(self.keys())

    def __len__(self):
        return len(self.keys())

    def keys(self):
        return ask({"variables": True})["names"]

    def items(self):
        return [(name, self[name]) for name in self.keys()]

    def copy(self):
        return self


class Templar:
    environment = None

    def __init__(self, variables):
        self.available_variables = self._available_variables = variables

    def template(self, value, **options):
        return unpack(ask({"template": pack(value)})["value"])


class Loader:
    def get_basedir(self):
        return str(Variables().get("playbook_dir", os.getcwd()))

    def path_exists(self, path):
        return os.path.exists(path)

    is_file = staticmethod(os.path.isfile)
    is_directory = staticmethod(os.path.isdir)


class LookupBase:
    def __init__(self, loader=None, templar=None, **kwargs):
        self._loader, self._templar = loader, templar
        self._options = {}
        self._display = Display()

    def run(self, terms, variables=None, **kwargs):
        raise NotImplementedError

    def set_options(self, task_keys=None, var_options=None, direct=None):
        self._options.update(direct or {})

    def get_option(self, name, hostvars=None):
        if name not in self._options:
            raise KeyError("the option %s was not given: defaults of a lookup's documentation are not read here" % name)
        return self._options[name]

    def has_option(self, name):
        return name in self._options

    def get_options(self):
        return dict(self._options)

    def get_basedir(self, variables):
        return variables.get("role_path") or variables.get("playbook_dir") or os.getcwd()

    def find_file_in_search_path(self, myvars, subdir, needle, ignore_missing=False):
        if os.path.isabs(needle):
            return needle
        for base in list(myvars.get("ansible_search_path") or []) + [self.get_basedir(myvars)]:
            for path in (os.path.join(base, subdir, needle), os.path.join(base, needle)):
                if os.path.exists(path):
                    return path
        if not ignore_missing:
            raise AnsibleError("Unable to find '%s' in expected paths" % needle)
        return None

    @staticmethod
    def _flatten(terms):
        return [one for term in terms for one in (term if isinstance(term, (list, tuple)) else [term])]

    @staticmethod
    def _combine(a, b):
        return [LookupBase._flatten([x, y]) for x in a for y in b]


def module(name, **names):
    made = types.ModuleType(name)
    # A package: what stands in it is looked for in its own name.
    made.__path__ = []
    for key, value in names.items():
        setattr(made, key, value)
    sys.modules[name] = made
    parent, _, last = name.rpartition(".")
    if parent:
        if parent not in sys.modules:
            module(parent)
        setattr(sys.modules[parent], last, made)


errors = {name: type(name, (AnsibleError,), {}) for name in ERRORS}
converters = {"to_text": to_text, "to_native": to_text, "to_bytes": to_bytes}
module("ansible", __version__="2.19.14")
module("ansible.errors", AnsibleError=AnsibleError, **errors)
module("ansible.module_utils")
module("ansible.module_utils._text", **converters)
module("ansible.module_utils.common.text.converters", **converters)
module("ansible.module_utils.common.collections", is_sequence=is_sequence, is_iterable=lambda o: hasattr(o, "__iter__"),
       is_string=lambda o: isinstance(o, (str, bytes)), Mapping=dict)
module("ansible.module_utils.parsing.convert_bool", boolean=boolean)
module("ansible.module_utils.six", string_types=(str,), text_type=str, binary_type=bytes, integer_types=(int,), PY3=True, PY2=False,
       iteritems=lambda d: iter(d.items()), itervalues=lambda d: iter(d.values()), iterkeys=lambda d: iter(d.keys()),
       with_metaclass=lambda meta, *bases: meta("temporary", bases, {}))
module("ansible.module_utils.six.moves", range=range, zip=zip, map=map, filter=filter, reduce=__import__("functools").reduce)
module("ansible.plugins.lookup", LookupBase=LookupBase)
module("ansible.utils.display", Display=Display)
module("ansible.utils.vars", merge_hash=merge_hash, combine_vars=merge_hash)
module("ansible.utils.unicode", to_unicode=to_text, to_bytes=to_bytes, to_str=to_text)
module("__main__.display", display=Display())
sys.modules["__main__"].display = Display()

loaded = {}


def load(path):
    if path not in loaded:
        name = "imgbuild_plugin_%d_%s" % (len(loaded), os.path.splitext(os.path.basename(path))[0])
        spec = importlib.util.spec_from_file_location(name, path)
        made = importlib.util.module_from_spec(spec)
        sys.modules[name] = made
        spec.loader.exec_module(made)
        loaded[path] = made
    return loaded[path]


def functions(path, kind):
    made = load(path)
    holder = getattr(made, {"filter": "FilterModule", "test": "TestModule"}[kind], None)
    if holder is None:
        return {}
    return holder().filters() if kind == "filter" else holder().tests()


def wants_jinja(function):
    names = ("jinja_pass_arg", "contextfilter", "environmentfilter", "evalcontextfilter", "contextfunction")
    return any(getattr(function, name, None) for name in names)


def call(request):
    values = [unpack(value) for value in request["values"]]
    kwargs = {str(k): v for k, v in unpack(request["kwargs"]).items()}
    if request["kind"] == "lookup":
        variables = Variables()
        plugin = load(request["path"]).LookupModule(loader=Loader(), templar=Templar(variables))
        return list(plugin.run(values, variables=variables, **kwargs))
    function = functions(request["path"], request["kind"])[request["name"]]
    if wants_jinja(function):
        raise TypeError("it asks for Jinja's own context, which only Python's Jinja has")
    return function(*values, **kwargs)


def why(error):
    text = str(error) or type(error).__name__
    plain = isinstance(error, (AnsibleError, ImportError))
    return text if plain else "%s: %s" % (type(error).__name__, text)


for line in iter(source.readline, ""):
    request = json.loads(line)
    try:
        if request["do"] == "names":
            send({"names": sorted(str(name) for name in functions(request["path"], request["kind"]))})
        else:
            send({"value": pack(call(request))})
    except (Exception, SystemExit) as error:
        send({"failed": why(error)})
