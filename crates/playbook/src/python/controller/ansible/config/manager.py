"""Types of options."""
import os

from ansible.module_utils.parsing.convert_bool import boolean


def ensure_type(value, value_type, origin=None, origin_ftype=None):
    kind = (value_type or "").lower()
    if value is None or kind in ("", "raw", "none"):
        return value
    if kind in ("bool", "boolean"):
        return boolean(value, strict=False)
    if kind in ("int", "integer"):
        return int(value)
    if kind == "float":
        return float(value)
    if kind == "list":
        return [p.strip() for p in value.split(",")] if isinstance(value, str) else list(value)
    if kind in ("dict", "dictionary"):
        if not hasattr(value, "items"):
            raise ValueError("Invalid type provided for 'dictionary': %r" % (value,))
        return value
    if kind in ("path", "tmp", "temp", "tmppath"):
        return os.path.expanduser(os.path.expandvars(str(value)))
    if kind in ("pathlist", "pathspec"):
        parts = value.split(":" if kind == "pathspec" else ",") if isinstance(value, str) else value
        return [os.path.expanduser(os.path.expandvars(p.strip())) for p in parts]
    return value if isinstance(value, str) else str(value)
