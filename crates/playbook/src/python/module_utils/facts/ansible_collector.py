# The collector of all the facts that are known here (see compat).
from __future__ import absolute_import

from ansible.module_utils.facts.collector import BaseFactCollector
from ansible.module_utils.facts.compat import ansible_facts


class AnsibleFactCollector(BaseFactCollector):
    def __init__(self, collectors=None, namespace=None, filter_spec=None):
        super(AnsibleFactCollector, self).__init__(collectors, namespace)
        self.filter_spec = filter_spec

    def collect(self, module=None, collected_facts=None):
        return self._transform_dict_keys(ansible_facts(module, ['all']))


def get_ansible_collector(all_collector_classes, namespace=None, filter_spec=None, gather_subset=None, gather_timeout=None,
                          minimal_gather_subset=None):
    return AnsibleFactCollector(namespace=namespace, filter_spec=filter_spec)
