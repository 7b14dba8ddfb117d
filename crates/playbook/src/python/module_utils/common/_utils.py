# Types of values, and classes below a class.


def native_type_name(value):
    """The name of a value's type, as in Python 3."""
    name = type(value).__name__
    return {'unicode': 'str', 'long': 'int'}.get(name, name)


def get_all_subclasses(cls, include_abstract=True, consider_self=False):
    """All the classes below it, at any depth."""
    out, queue = set([cls] if consider_self else []), [cls]
    while queue:
        for one in queue.pop().__subclasses__():
            if one not in out:
                out.add(one)
                queue.append(one)
    return out if include_abstract else set(one for one in out if not getattr(one, '__abstractmethods__', None))
