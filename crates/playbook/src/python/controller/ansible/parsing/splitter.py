"""`key=value` text."""
import shlex


def split_args(args):
    return shlex.split(args)


def parse_kv(args, check_raw=False):
    found, raw = {}, []
    for part in split_args(args or ""):
        key, equals, value = part.partition("=")
        if equals and key.isidentifier():
            found[key] = value
        else:
            raw.append(part)
    if raw:
        found["_raw_params"] = " ".join(raw)
    return found
