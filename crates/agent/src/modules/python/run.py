# Runs a module of the user: python run.py DIRECTORY HOW NAME, with its arguments on standard input.
# HOW is "own" (the classes beside this file are enough) or "library" (ansible-core must be installed on the host).
import json
import os
import sys

base, how, name = sys.argv[1:4]
raw = sys.stdin.buffer.read() if hasattr(sys.stdin, 'buffer') else sys.stdin.read()
module = os.path.join(base, 'module')


def give_up(text):
    print(json.dumps({'failed': True, 'changed': False, 'msg': text}))
    sys.exit(1)


if how == 'own':
    sys.path.insert(0, os.path.join(base, 'lib'))
else:
    try:
        import ansible.module_utils
        from ansible.module_utils import basic
    except ImportError:
        give_up('the module %s imports %s, which comes with ansible-core: it is not installed for %s on this host'
                % (name, how, sys.executable))
    # Helpers of the playbook's own stand beside those of the library.
    ansible.module_utils.__path__.append(os.path.join(base, 'lib', 'ansible', 'module_utils'))
    basic._ANSIBLE_ARGS = raw
    basic._ANSIBLE_PROFILE = 'legacy'
if how == 'own':
    from ansible.module_utils import basic
    basic._ANSIBLE_ARGS = raw
sys.argv = [module]
with open(module, 'rb') as file:
    code = compile(file.read(), name + '.py', 'exec')
scope = {'__name__': '__main__', '__file__': module, '__builtins__': __builtins__}
try:
    exec(code, scope)
except ImportError as error:
    give_up('the module %s could not be loaded: %s' % (name, error))
