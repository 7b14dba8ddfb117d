# Runs a Python module of the user's or of a collection:
#
#     python run.py DIR HOW NAME [FULLNAME]
#
# with {"ANSIBLE_MODULE_ARGS": {...}} on standard input; its result is the last JSON object on standard output.
#
# DIR/lib holds what was brought: ansible/module_utils/... and ansible_collections/NS/COLL/plugins/module_utils/...; packages
# need no __init__.py there, they get one. The module itself is DIR/module, or already in its place below DIR/lib.
# HOW is "own" (the library that was brought; if the module imports something of ansible.module_utils that is not in it, the
# whole library of ansible-core, where this Python has it), "library" (ansible-core's at once) or "respawned" (as "own", by
# common/respawn.py, in another Python).
# NAME is the module's name in messages, FULLNAME the one it runs under: ansible_collections.NS.COLL.plugins.modules.NAME, or
# ansible.legacy.NAME if it is missing. Imports relative to it work.
#
# Nothing is written but in DIR. What a module raises goes to standard error, as Python does it.
import sys

sys.dont_write_bytecode = True

import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import runpy  # noqa: E402
import traceback  # noqa: E402


def end(text):
    print('\n' + json.dumps({'failed': True, 'changed': False, 'msg': text}))
    sys.stdout.flush()
    sys.exit(1)


def lay_out(lib, full, module):
    """Puts the module in its place, and makes packages of the folders."""
    place = os.path.join(lib, *full.split('.')) + '.py'
    if not os.path.exists(os.path.dirname(place)):
        os.makedirs(os.path.dirname(place))
    if os.path.exists(module) and not os.path.exists(place):
        os.rename(module, place)
    for folder, folders, files in os.walk(lib):
        if folder != lib and '__init__.py' not in files:
            open(os.path.join(folder, '__init__.py'), 'w').close()
    return place


def use_own(call, raw):
    sys.path.insert(0, call['lib'])
    try:
        from ansible.module_utils import basic
    except ImportError:
        return  # a module that does without it
    basic._ANSIBLE_ARGS = raw
    try:
        from ansible.module_utils.common import respawn
        respawn._call = [os.path.abspath(__file__), call['dir'], call['how'], call['name'], call['full']]
    except ImportError:
        pass


def use_library(call, raw, missing):
    """The library of ansible-core, beside it what came along for this module."""
    for name in [n for n in sys.modules if n.split('.')[0] in ('ansible', 'ansible_collections')]:
        del sys.modules[name]
    sys.path[:] = [p for p in sys.path if p != call['lib']]
    try:
        import ansible
        import ansible.module_utils
        from ansible.module_utils import basic
    except ImportError:
        end('the module %s imports %s, which comes with ansible-core: it is not installed for %s on this host'
            % (call['name'], missing, sys.executable))
    ansible.module_utils.__path__.append(os.path.join(call['lib'], 'ansible', 'module_utils'))
    ansible.__path__.insert(0, os.path.join(call['lib'], 'ansible'))
    sys.path.insert(0, call['lib'])
    basic._ANSIBLE_ARGS = raw
    basic._ANSIBLE_PROFILE = 'legacy'


def lacking(error, trace, lib):
    """(What of ansible.module_utils is missing, whether the module was only being loaded), or (None, ...)."""
    ours = [f for f in traceback.extract_tb(trace) if f[0].startswith(lib)]
    line = ours[-1][3] or '' if ours else ''
    name = getattr(error, 'name', None) or str(error)
    found = re.search(r'ansible\.module_utils[\w.]*', name) or re.search(r'ansible\.module_utils[\w.]*', line)
    if not ours or not found:
        return None, False
    what = re.search(r"cannot import name '?(\w+)", str(error))
    missing = found.group() + ('.' + what.group(1) if what and not found.group().endswith('.' + what.group(1)) else '')
    return missing, all(f[2] == '<module>' for f in ours)


def run(call):
    """Runs the module; what it misses of ansible.module_utils, if nothing has been done yet."""
    try:
        runpy.run_module(call['full'], None, '__main__', True)
    except ImportError as error:
        missing, loading = lacking(error, sys.exc_info()[2], call['lib'])
        if missing is None:
            raise
        if not loading:
            end('the module %s needs %s, which is not there: %s' % (call['name'], missing, error))
        return missing
    return None


def main():
    base, how, name = sys.argv[1:4]
    full = sys.argv[4] if len(sys.argv) > 4 else 'ansible.legacy.' + name.split('.')[-1]
    base = os.path.abspath(base)
    call = dict(dir=base, how=how, name=name, full=full, lib=os.path.join(base, 'lib'))
    raw = sys.stdin.buffer.read() if hasattr(sys.stdin, 'buffer') else sys.stdin.read()
    place = lay_out(call['lib'], full, os.path.join(base, 'module'))
    sys.path[:] = [p for p in sys.path if os.path.abspath(p or '.') != os.path.dirname(os.path.abspath(__file__))]
    sys.argv = [place]
    missing = 'ansible.module_utils'
    if how != 'library':
        use_own(call, raw)
        missing = run(call)
    if missing is not None:
        use_library(call, raw, missing)
        missing = run(call)
        if missing is not None:
            end('the module %s could not be loaded: ansible-core has no %s' % (name, missing))


main()
