# For tests of modules: arguments of one's own in the place of those that came with the call.
import contextlib
import json

from ansible.module_utils import basic


@contextlib.contextmanager
def patch_module_args(module_args=None):
    before = basic._ANSIBLE_ARGS
    basic._ANSIBLE_ARGS = json.dumps({'ANSIBLE_MODULE_ARGS': module_args or {}}).encode('utf-8')
    try:
        yield
    finally:
        basic._ANSIBLE_ARGS = before
