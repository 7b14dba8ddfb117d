"""Settings, each asked for when it is read."""
from imgbuild import ask_value

BOOLEANS_TRUE = frozenset(("y", "yes", "on", "1", "true", "t", 1, 1.0, True))
BOOLEANS_FALSE = frozenset(("n", "no", "off", "0", "false", "f", 0, 0.0, False))
BOOLEANS = BOOLEANS_TRUE | BOOLEANS_FALSE
MAX_FILE_SIZE_FOR_DIFF = 104448
DEFAULT_BECOME_PASS = DEFAULT_REMOTE_PASS = DEFAULT_SUBSET = TREE_DIR = None
DEFAULT_PASSWORD_CHARS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:-_"
INTERNAL_RESULT_KEYS = ("add_host", "add_group")
RESTRICTED_RESULT_KEYS = ("ansible_rsync_path", "ansible_playbook_python", "ansible_facts")
MODULE_REQUIRE_ARGS = MODULE_REQUIRE_ARGS_SIMPLE = ("command", "raw", "script", "shell", "win_command", "win_shell")
MODULE_NO_JSON = ("command", "raw", "script", "shell", "win_command", "win_shell")
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
