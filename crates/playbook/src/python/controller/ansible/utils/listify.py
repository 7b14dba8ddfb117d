def listify_lookup_plugin_terms(terms, templar=None, loader=None, fail_on_undefined=True, convert_bare=False):
    terms = templar.template(terms) if templar else terms
    return terms if isinstance(terms, (list, tuple)) else [terms]
