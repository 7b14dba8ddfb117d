"""PyYAML's loader, for plugins that bring PyYAML themselves."""
import yaml


class AnsibleLoader(yaml.SafeLoader):
    def __init__(self, stream, file_name=None, vault_secrets=None):
        super().__init__(stream)
