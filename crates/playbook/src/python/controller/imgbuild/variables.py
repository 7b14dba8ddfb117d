"""Variables of the place where a plugin was called, each rendered when it is asked for."""
from imgbuild import Trusted, ask, ask_value, pack, unpack


def _said(expression, **values):
    return ask_value({"template": pack(Trusted("{{ %s }}" % expression)), "with": pack({"_imgbuild_" + k: v for k, v in values.items()})})


class _Asked(dict):
    """A mapping whose entries are asked for one by one."""

    def __contains__(self, name):
        return name in self.keys()

    def get(self, name, default=None):
        return self[name] if name in self else default

    def __iter__(self):
        return iter(self.keys())

    def __len__(self):
        return len(self.keys())

    def items(self):
        return [(name, self[name]) for name in self.keys()]

    def values(self):
        return [self[name] for name in self.keys()]


class HostVars(_Asked):
    """`hostvars`."""

    def keys(self):
        return _said("hostvars.keys() | list")

    def __getitem__(self, host):
        if host not in self:
            raise KeyError(host)
        return OneHost(host)


class OneHost(_Asked):
    """The variables of a host, as others see them."""

    def __init__(self, host):
        super().__init__()
        self._host = host

    def keys(self):
        return _said("hostvars[_imgbuild_host].keys() | list", host=self._host)

    def __getitem__(self, name):
        if name not in self:
            raise KeyError(name)
        return _said("hostvars[_imgbuild_host][_imgbuild_name]", host=self._host, name=name)


class Variables(dict):
    """Looks like the mapping that Ansible gives; what a plugin puts in stays with it."""

    def __init__(self, more=None):
        super().__init__(more or {})
        # A value is the same each time: plugins change what is in it.
        self._asked = {}

    def added(self):
        return {key: dict.__getitem__(self, key) for key in dict.keys(self)}

    def __getitem__(self, name):
        if dict.__contains__(self, name):
            return dict.__getitem__(self, name)
        if name == "vars":
            return self
        if name == "hostvars":
            return HostVars()
        if name not in self._asked:
            answer = ask({"variable": name})
            if "value" not in answer:
                raise KeyError(name)
            self._asked[name] = unpack(answer["value"])
        return self._asked[name]

    def get(self, name, default=None):
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name):
        return dict.__contains__(self, name) or name in ("vars", "hostvars") or name in ask({"variables": True})["names"]

    def keys(self):
        asked = ask({"variables": True})["names"]
        return asked + [name for name in dict.keys(self) if name not in asked]

    def __iter__(self):
        return iter(self.keys())

    def __len__(self):
        return len(self.keys())

    def values(self):
        return [self[name] for name in self.keys()]

    def items(self):
        return [(name, self[name]) for name in self.keys()]

    def setdefault(self, name, default=None):
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name, *default):
        return dict.pop(self, name, *default) if dict.__contains__(self, name) else self.get(name, *default)

    def copy(self):
        return Variables(self.added())

    __copy__ = copy

    def __deepcopy__(self, memo):
        return self.copy()
