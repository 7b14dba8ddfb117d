# A locale whose messages programs can read.
from __future__ import absolute_import

from ansible.module_utils.common.text.converters import to_native


def get_best_parsable_locale(module, preferences=None, raise_on_locale=False):
    """The first of `preferences` (English in UTF-8, or C) that the system has, "C" otherwise."""
    try:
        program = module.get_bin_path('locale')
        if not program:
            raise RuntimeWarning("Could not find 'locale' tool")
        rc, out, err = module.run_command([program, '-a'])
        if rc != 0:
            raise RuntimeWarning('Unable to get locale information, rc=%s: %s' % (rc, to_native(err)))
        if not out:
            raise RuntimeWarning('No output from locale, rc=%s: %s' % (rc, to_native(err)))
        there = out.strip().splitlines()
        for wanted in ['C.utf8', 'C.UTF-8', 'en_US.utf8', 'en_US.UTF-8', 'C', 'POSIX'] if preferences is None else preferences:
            if wanted in there:
                return wanted
    except RuntimeWarning:
        if raise_on_locale:
            raise
    return 'C'
