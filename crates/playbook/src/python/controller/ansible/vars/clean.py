"""Results without what only concerns Ansible itself."""


def strip_internal_keys(dirty, exceptions=()):
    if hasattr(dirty, "items"):
        kept = ((k, v) for k, v in dirty.items() if not str(k).startswith("_ansible_") or k in exceptions)
        return {k: strip_internal_keys(v, exceptions) for k, v in kept}
    return [strip_internal_keys(item, exceptions) for item in dirty] if isinstance(dirty, (list, tuple)) else dirty


def remove_internal_keys(data):
    for key in [k for k in data if str(k).startswith("_ansible_") and k != "_ansible_parsed"] + ["invocation"]:
        data.pop(key, None)


def module_response_deepcopy(value):
    import copy
    return copy.deepcopy(value)


def namespace_facts(facts):
    return {"ansible_facts": {key[8:] if key.startswith("ansible_") else key: value for key, value in facts.items()}}


def clean_facts(facts):
    return strip_internal_keys(facts)
