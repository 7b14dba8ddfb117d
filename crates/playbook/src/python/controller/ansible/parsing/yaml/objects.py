"""Values of YAML are plain here."""
AnsibleUnicode, AnsibleSequence, AnsibleMapping = str, list, dict


class AnsibleBaseYAMLObject:
    pass


class AnsibleVaultEncryptedUnicode(str):
    pass
