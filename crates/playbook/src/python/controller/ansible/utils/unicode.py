from ansible.module_utils.common.text.converters import to_bytes, to_text as to_unicode, to_text as to_str  # noqa: F401


def unicode_wrap(func, *args, **kwargs):
    return to_unicode(func(*args, **kwargs), nonstring="passthru")
