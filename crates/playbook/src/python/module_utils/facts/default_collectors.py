# The classes of collectors; one gathers everything here.
from __future__ import absolute_import

from ansible.module_utils.facts.ansible_collector import AnsibleFactCollector

collectors = [AnsibleFactCollector]
