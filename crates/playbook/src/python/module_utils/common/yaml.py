# YAML, if this Python has a library for it.
from __future__ import absolute_import

from functools import partial

try:
    import yaml as _yaml
    HAS_YAML = True
except ImportError:
    HAS_YAML, HAS_LIBYAML = False, False

    def _missing(*args, **kwargs):
        raise ImportError('the Python library PyYAML is missing')
    yaml_load = yaml_load_all = yaml_dump = yaml_dump_all = _missing
    SafeLoader = SafeDumper = Parser = None
else:
    try:
        from yaml import CSafeDumper as SafeDumper
        from yaml import CSafeLoader as SafeLoader
        from yaml.cyaml import CParser as Parser
        HAS_LIBYAML = True
    except (ImportError, AttributeError):
        from yaml import SafeDumper, SafeLoader
        from yaml.parser import Parser  # noqa: F401
        HAS_LIBYAML = False
    yaml_load, yaml_load_all = partial(_yaml.load, Loader=SafeLoader), partial(_yaml.load_all, Loader=SafeLoader)
    yaml_dump, yaml_dump_all = partial(_yaml.dump, Dumper=SafeDumper), partial(_yaml.dump_all, Dumper=SafeDumper)
