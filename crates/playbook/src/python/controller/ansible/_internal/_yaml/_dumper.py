from ansible.parsing.yaml.dumper import AnsibleDumper  # noqa: F401
