"""Filters of Ansible's own: imgbuild's are asked."""
import types

from imgbuild import ask_value, pack


def asked(kind, name):
    def function(*values, **kwargs):
        return ask_value({kind: name, "values": [pack(v) for v in values], "kwargs": pack(kwargs)})
    function.__name__ = name
    return function


class Functions(types.ModuleType):
    """A module whose every name is a filter (`ansible.plugins.filter.core`)."""
    KIND = "filter"

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return asked(self.KIND, name)


class Tests(Functions):
    KIND = "test"
