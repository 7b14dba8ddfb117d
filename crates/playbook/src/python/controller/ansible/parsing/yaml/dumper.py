"""PyYAML's dumper, for plugins that bring PyYAML themselves."""
import yaml

from imgbuild import Trusted, Undefined
from imgbuild.variables import Variables


class AnsibleDumper(yaml.SafeDumper):
    pass


for kind in (Trusted, Undefined):
    AnsibleDumper.add_representer(kind, lambda dumper, value: dumper.represent_str(str(value)))
AnsibleDumper.add_representer(Variables, lambda dumper, value: dumper.represent_dict(dict(value.items())))
