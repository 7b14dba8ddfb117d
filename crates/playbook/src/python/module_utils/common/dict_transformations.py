# Dictionaries whose keys change between CamelCase and snake_case, merged dictionaries, and the differences of two.
from __future__ import absolute_import

import re
from copy import deepcopy

from ansible.module_utils.common._collections_compat import MutableMapping


def _camel_to_snake(name, reversible=False):
    if reversible:
        # Every capital is a word, so that the way back gives the same name.
        return re.sub('[A-Z]', lambda found: ('_' if found.start() else '') + found.group().lower(), name)
    # The plural of an abbreviation at the end ("ARNs") is one word.
    name = re.sub('[A-Z]{3,}s$', lambda found: ('_' if found.start() else '') + found.group().lower(), name)
    # A capital before small letters begins a word, and so does one after a small letter or a digit.
    name = re.sub('(.)([A-Z][a-z]+)', r'\1_\2', name)
    return re.sub('([a-z0-9])([A-Z])', r'\1_\2', name).lower()


def _snake_to_camel(snake, capitalize_first=False):
    words = snake.split('_')
    first = words[0]
    if capitalize_first:
        first = first.capitalize() or '_'
    return first + ''.join(word.capitalize() or '_' for word in words[1:])


def _renamed(value, name, kept=()):
    """All the keys of dictionaries anew; below the keys `kept` nothing changes."""
    if isinstance(value, dict):
        return dict((name(key), one if key in kept else _renamed(one, name, kept)) for key, one in value.items())
    if isinstance(value, list):
        return [_renamed(one, name, kept) for one in value]
    return value


def camel_dict_to_snake_dict(camel_dict, reversible=False, ignore_list=()):
    return _renamed(camel_dict, lambda key: _camel_to_snake(key, reversible), ignore_list)


def snake_dict_to_camel_dict(snake_dict, capitalize_first=False):
    return _renamed(snake_dict, lambda key: _snake_to_camel(key, capitalize_first))


def dict_merge(a, b):
    """`a` with the values of `b`, dictionaries in both merged in the same way."""
    if not isinstance(b, dict):
        return b
    out = deepcopy(a)
    for key, value in b.items():
        both = key in out and isinstance(out[key], dict)
        out[key] = dict_merge(out[key], value) if both else deepcopy(value)
    return out


def recursive_diff(dict1, dict2):
    """What differs: (in the first, in the second), or None."""
    if not all(isinstance(one, MutableMapping) for one in (dict1, dict2)):
        raise TypeError('Unable to diff \'dict1\' %s and \'dict2\' %s. Both must be a dictionary.' % (type(dict1), type(dict2)))
    left = dict((key, dict1[key]) for key in dict1 if key not in dict2)
    right = dict((key, dict2[key]) for key in dict2 if key not in dict1)
    for key in set(dict1) & set(dict2):
        one, other = dict1[key], dict2[key]
        if isinstance(one, dict) and isinstance(other, dict):
            inner = recursive_diff(one, other)
            if inner:
                left[key], right[key] = inner
        elif one != other:
            left[key], right[key] = one, other
    return (left, right) if left or right else None
