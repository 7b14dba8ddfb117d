"""The base of lookups."""
import os

from ansible.errors import AnsibleError
from ansible.plugins import AnsiblePlugin


class LookupBase(AnsiblePlugin):
    accept_args_markers = False

    def __init__(self, loader=None, templar=None, **kwargs):
        super().__init__()
        self._loader, self._templar = loader, templar

    def run(self, terms, variables=None, **kwargs):
        raise NotImplementedError

    def get_basedir(self, variables):
        return variables.get("role_path") or variables.get("playbook_dir") or os.getcwd()

    def find_file_in_search_path(self, myvars, subdir, needle, ignore_missing=False):
        if os.path.isabs(needle) and os.path.exists(needle):
            return needle
        for base in list(myvars.get("ansible_search_path") or []) + [self.get_basedir(myvars)]:
            for path in (os.path.join(base, subdir, needle), os.path.join(base, needle)):
                if os.path.exists(path):
                    return path
        if not ignore_missing:
            raise AnsibleError("Unable to find '%s' in expected paths" % needle)
        return None

    @staticmethod
    def _flatten(terms):
        return [one for term in terms for one in (term if isinstance(term, (list, tuple)) else [term])]

    @staticmethod
    def _combine(a, b):
        return [LookupBase._flatten([x, y]) for x in a for y in b]

    @staticmethod
    def _flatten_hash_to_list(terms):
        return [{"key": key, "value": terms[key]} for key in terms]
