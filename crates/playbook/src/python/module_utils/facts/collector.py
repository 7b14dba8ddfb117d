# Classes that gather facts.
from __future__ import absolute_import

from ansible.module_utils.facts import timeout  # noqa: F401


class CollectorNotFoundError(KeyError):
    """No class gathers this."""


class BaseFactCollector(object):
    _fact_ids = set()
    _platform = 'Generic'
    name = None
    required_facts = set()

    def __init__(self, collectors=None, namespace=None):
        self.collectors, self.namespace = collectors or [], namespace
        self.fact_ids = set([self.name]) | set(self._fact_ids)

    @classmethod
    def platform_match(cls, platform_info):
        return cls if platform_info.get('system') == cls._platform else None

    def _transform_name(self, key_name):
        return self.namespace.transform(key_name) if self.namespace else key_name

    def _transform_dict_keys(self, fact_dict):
        return dict((self._transform_name(key), value) for key, value in fact_dict.items())

    def collect_with_namespace(self, module=None, collected_facts=None):
        facts = self.collect(module=module, collected_facts=collected_facts)
        return self._transform_dict_keys(facts) if self.namespace else facts

    def collect(self, module=None, collected_facts=None):
        return {}
