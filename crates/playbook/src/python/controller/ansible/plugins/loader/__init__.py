"""Plugins that plugins ask for by name: lookups, filters, tests and actions of imgbuild."""
from imgbuild import ask_value, pack

from ansible.plugins.action import builtin
from ansible.plugins.filter import asked


class _Lookup:
    def __init__(self, name):
        self.name = name

    def run(self, terms, variables=None, **kwargs):
        terms = terms if isinstance(terms, (list, tuple)) else [terms]
        return ask_value({"lookup": self.name, "terms": [pack(t) for t in terms], "kwargs": pack(kwargs)})

    def set_options(self, **kwargs):
        pass


class _Loader:
    def __init__(self, make):
        self._make = make

    def get(self, name, *args, **kwargs):
        return self._make(name, **kwargs)

    def has_plugin(self, name, collection_list=None):
        return True

    def find_plugin(self, name, *args, **kwargs):
        return None


lookup_loader = _Loader(lambda name, **kwargs: _Lookup(name))
filter_loader = _Loader(lambda name, **kwargs: asked("filter", name))
test_loader = _Loader(lambda name, **kwargs: asked("test", name))
action_loader = _Loader(lambda name, **kwargs: builtin(name)(**kwargs))
module_loader = _Loader(lambda name, **kwargs: None)
connection_loader = _Loader(lambda name, *args, **kwargs: None)
