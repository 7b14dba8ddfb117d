"""Mappings put together."""
from imgbuild import ask_value, pack

from ansible.errors import AnsibleError


def merge_hash(x, y, recursive=True, list_merge="replace"):
    if not isinstance(x, dict) and not hasattr(x, "items") or not isinstance(y, dict) and not hasattr(y, "items"):
        raise AnsibleError("failed to combine variables, expected dicts but got a '%s' and a '%s'" % (
            type(x).__name__, type(y).__name__))
    kwargs = {"recursive": recursive, "list_merge": list_merge}
    return ask_value({"filter": "combine", "values": [pack(x), pack(y)], "kwargs": pack(kwargs)})


def combine_vars(a, b, merge=None):
    return merge_hash(a, b, recursive=bool(merge))


def isidentifier(ident):
    import keyword
    return isinstance(ident, str) and ident.isascii() and ident.isidentifier() and not keyword.iskeyword(ident)


def get_unique_id():
    import uuid
    return str(uuid.uuid4())
