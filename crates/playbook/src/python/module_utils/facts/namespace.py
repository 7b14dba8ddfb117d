# Names of facts.
from __future__ import absolute_import


class FactNamespace(object):
    def __init__(self, namespace_name):
        self.namespace_name = namespace_name

    def transform(self, name):
        return name

    def _underscore(self, name):
        return name.replace('-', '_')


class PrefixFactNamespace(FactNamespace):
    def __init__(self, namespace_name, prefix=None):
        super(PrefixFactNamespace, self).__init__(namespace_name)
        self.prefix = prefix

    def transform(self, name):
        return '%s%s' % (self.prefix, self._underscore(name))
