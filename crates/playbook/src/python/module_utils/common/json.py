# JSON of results, under the names that ansible-core had for it before 2.19.
from __future__ import absolute_import

import json

from ansible.module_utils.common.text.converters import _plain, jsonify


class AnsibleJSONEncoder(json.JSONEncoder):
    def __init__(self, preprocess_unsafe=False, vault_to_text=False, **kwargs):
        super(AnsibleJSONEncoder, self).__init__(**kwargs)

    def default(self, o):
        return _plain(o)


def json_dump(structure):
    return jsonify(structure, sort_keys=True, indent=4)


_json_dump = json_dump
