from ansible.module_utils.basic import jsonify, to_bytes, to_native, to_text  # noqa: F401
