# Facts for modules that ask for them themselves.
from __future__ import absolute_import

from ansible.module_utils.facts.compat import ansible_facts, get_all_facts  # noqa: F401
