from ansible.parsing.yaml.loader import AnsibleLoader as AnsibleInstrumentedLoader  # noqa: F401
