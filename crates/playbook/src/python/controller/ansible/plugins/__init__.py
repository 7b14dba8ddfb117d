"""The base of plugins: options, with the defaults of their documentation."""
import os
import sys

from imgbuild import ask_value

from ansible.errors import AnsibleError, AnsibleRequiredOptionError
from ansible.utils.display import Display


def _documented(module):
    """The options that a plugin's file documents, with those of the fragments that it names."""
    text = getattr(module, "DOCUMENTATION", None)
    if not text:
        return {}
    found = ask_value({"yaml": text}) or {}
    options = {}
    for fragment in _list(found.get("extends_documentation_fragment")):
        options.update(_fragment(fragment))
    options.update(found.get("options") or {})
    return options


def _fragment(name):
    import importlib
    path, _, section = name, "", "DOCUMENTATION"
    if name.count(".") > 2:
        path, _, section = name.rpartition(".")
    if path.count(".") != 2:
        return {}
    namespace, collection, last = path.split(".")
    try:
        module = importlib.import_module("ansible_collections.%s.%s.plugins.doc_fragments.%s" % (namespace, collection, last))
    except ImportError:
        return {}
    text = getattr(module.ModuleDocFragment, section.upper(), None)
    return (ask_value({"yaml": text}) or {}).get("options") or {} if text else {}


def _list(value):
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _typed(value, kind):
    from ansible.config.manager import ensure_type
    return value if value is None else ensure_type(value, kind)


class AnsiblePlugin:
    def __init__(self):
        self._options = {}
        self._display = Display()
        self._variables = None

    def _known(self):
        if not hasattr(self, "_option_defs"):
            self._option_defs = _documented(sys.modules[type(self).__module__])
        return self._option_defs

    def set_options(self, task_keys=None, var_options=None, direct=None):
        self._variables = var_options
        direct = direct or {}
        for name, option in self._known().items():
            for alias in [name] + _list(option.get("aliases")):
                if alias in direct:
                    self._options[name] = _typed(direct[alias], option.get("type"))
        for name, value in direct.items():
            self._options.setdefault(name, value)

    def set_option(self, option, value):
        self._options[option] = value

    def has_option(self, option):
        return option in self._options or option in self._known()

    def get_option(self, option, hostvars=None):
        if option in self._options:
            return self._options[option]
        known = self._known().get(option)
        if known is None:
            raise KeyError("Requested entry (plugin: %s option: %s) was not defined in configuration." % (type(self).__module__, option))
        value = None
        variables = hostvars if hostvars is not None else self._variables
        for source in known.get("vars") or []:
            if variables is not None and source["name"] in variables:
                value = variables[source["name"]]
        if value is None:
            for source in known.get("env") or []:
                value = os.environ.get(source["name"], value)
        if value is None:
            value = known.get("default")
        # What stands before the options, the terms, is not one of them.
        if value is None and known.get("required") and not option.startswith("_"):
            raise AnsibleRequiredOptionError("No setting was provided for required configuration option: %s" % option)
        try:
            return _typed(value, known.get("type"))
        except (TypeError, ValueError) as error:
            raise AnsibleError("Invalid value for the option %s: %s" % (option, error))

    def get_options(self, hostvars=None):
        options = {name: self.get_option(name, hostvars) for name in self._known()}
        options.update(self._options)
        return options
