"""What comes out of a plugin is data, never a template: nothing needs to be marked."""
AnsibleUnsafeText = str
AnsibleUnsafeBytes = bytes


class AnsibleUnsafe:
    pass


def wrap_var(value):
    return value


def to_unsafe_text(value, *args, **kwargs):
    return value


to_unsafe_bytes = to_unsafe_text


class UnsafeProxy(str):
    pass
