"""How plugins and imgbuild talk: one message a line, in JSON. What plugins print goes to standard error."""
import base64
import datetime
import json
import os
import sys

_out = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
os.dup2(2, 1)
source = sys.modules["__main__"].source


class Undefined(str):
    """An undefined value, as plugins see it that say they take such; its text is what Ansible says of it."""


class Trusted(str):
    """Text that a plugin says is a template (`trust_as_template`). All other text is data, wherever it came from."""


def send(message):
    _out.write(json.dumps(message) + "\n")
    _out.flush()


def pack(value, depth=0):
    """A value of Python as JSON; what JSON lacks is a mapping of one entry that says what it is."""
    if depth > 200:
        raise ValueError("the value holds itself")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Undefined):
        return {"!undefined": str(value)}
    if isinstance(value, Trusted):
        return {"!template": str(value)}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 63 else {"!int": str(int(value))}
    if isinstance(value, float):
        return value if value == value and value not in (float("inf"), float("-inf")) else {"!float": repr(value)}
    if isinstance(value, (bytes, bytearray)):
        return {"!bytes": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat(" ") if isinstance(value, datetime.datetime) else value.isoformat()
    if hasattr(value, "items"):
        return {"!map": [[pack(k, depth + 1), pack(v, depth + 1)] for k, v in value.items()]}
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
        if kind == "!int":
            return int(inner)
        if kind == "!undefined":
            return Undefined(inner)
        return float(inner)
    return value


def receive():
    line = source.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)


def ask(question):
    """Asks something of the place where the plugin was called."""
    from ansible.errors import AnsibleConnectionFailure, AnsibleError
    send(question)
    answer = receive()
    if "unreachable" in answer:
        raise AnsibleConnectionFailure(answer["unreachable"])
    if "error" in answer:
        raise AnsibleError(answer["error"])
    return answer


# While an action runs: what is told goes into its result.
told = None


def ask_value(question):
    return unpack(ask(question)["value"])
