"""Paths of the controller."""
import os


def unfrackpath(path, follow=True, basedir=None):
    path = os.path.expanduser(os.path.expandvars(path))
    if not os.path.isabs(path):
        path = os.path.join(basedir or os.getcwd(), path)
    return os.path.realpath(path) if follow else os.path.normpath(path)


def makedirs_safe(path, mode=None):
    os.makedirs(unfrackpath(path), mode or 0o777, exist_ok=True)


def basedir(source):
    return source if os.path.isdir(source) else os.path.dirname(os.path.abspath(source))


def is_subpath(child, parent, real=False):
    child, parent = (unfrackpath(p, follow=real) for p in (child, parent))
    return child == parent or child.startswith(parent.rstrip("/") + "/")
