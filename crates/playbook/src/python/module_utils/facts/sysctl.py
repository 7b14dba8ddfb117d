# Values of the kernel.
from __future__ import absolute_import

import re


def get_sysctl(module, prefixes):
    program = module.get_bin_path('sysctl')
    if program is None:
        return {}
    try:
        rc, out, err = module.run_command([program] + list(prefixes))
    except (IOError, OSError):
        return {}
    values, key = {}, None
    for line in out.splitlines() if rc == 0 else []:
        if line.startswith(' ') and key:
            values[key] += '\n' + line.strip()
            continue
        parts = re.split(r'\s?=\s?|: ', line, maxsplit=1)
        if len(parts) == 2:
            key = parts[0]
            values[key] = parts[1].strip()
    return values
