"""Settings, each asked for when it is read."""
from imgbuild import ask_value

BOOLEANS_TRUE = frozenset(("y", "yes", "on", "1", "true", "t", 1, 1.0, True))
BOOLEANS_FALSE = frozenset(("n", "no", "off", "0", "false", "f", 0, 0.0, False))
BOOLEANS = BOOLEANS_TRUE | BOOLEANS_FALSE
LOCALHOST = ("127.0.0.1", "localhost", "::1")
REJECT_EXTS = (".pyc", ".pyo", ".swp", ".bak", ".rpm", ".md", ".txt", ".rst", "~")
YAML_FILENAME_EXTENSIONS = [".yml", ".yaml", ".json"]


class _Config:
    def get_config_value(self, config, **more):
        return ask_value({"lookup": "config", "terms": [config], "kwargs": {"!map": []}})[0]


config = _Config()


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        return config.get_config_value(name)
    except Exception as error:
        raise AttributeError("the setting %s is not available to plugins: %s" % (name, error))
