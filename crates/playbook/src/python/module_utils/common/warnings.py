# Warnings and deprecations of the module that runs; its result takes them along.
from __future__ import absolute_import

from ansible.module_utils.six import string_types

_warnings, _deprecations = [], []


def warn(warning, help_text=None, obj=None, **kwargs):
    if not isinstance(warning, string_types):
        raise TypeError('warn requires a string not a %s' % type(warning))
    if help_text:
        warning = '%s %s' % (warning, help_text)
    if warning not in _warnings:
        _warnings.append(warning)


def error_as_warning(msg, exception, help_text=None, obj=None, **kwargs):
    warn(': '.join(str(part) for part in (msg, exception) if part), help_text)


def deprecate(msg, version=None, date=None, collection_name=None, help_text=None, obj=None, deprecator=None, **kwargs):
    if not isinstance(msg, string_types):
        raise TypeError('deprecate requires a string not a %s' % type(msg))
    found = {'msg': '%s %s' % (msg, help_text) if help_text else msg, 'collection_name': collection_name}
    # A date goes before a version.
    if date:
        found['date'] = str(date)
    else:
        found['version'] = version
    if found not in _deprecations:
        _deprecations.append(found)


def get_warning_messages():
    return tuple(_warnings)


def get_deprecation_messages():
    return tuple(_deprecations)


get_warnings, get_deprecations = get_warning_messages, get_deprecation_messages
