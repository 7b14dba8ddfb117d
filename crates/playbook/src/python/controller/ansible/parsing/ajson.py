import json


class AnsibleJSONEncoder(json.JSONEncoder):
    def __init__(self, preprocess_unsafe=False, vault_to_text=False, **kwargs):
        super().__init__(**kwargs)

    def default(self, o):
        return dict(o) if hasattr(o, "items") else list(o) if hasattr(o, "__iter__") else str(o)


AnsibleJSONDecoder = json.JSONDecoder
