# Names in SQL, quoted.
from __future__ import absolute_import

import re


class SQLParseError(Exception):
    """The name is none."""


class UnclosedQuoteError(SQLParseError):
    """A quote is not closed."""


# The most parts that a name of each kind may have.
_PARTS = {'pg': dict(database=1, schema=2, table=3, column=4, role=1, tablespace=1, sequence=3, publication=1),
          'mysql': dict(database=1, table=2, column=3, role=1, vars=1)}


def _split(name, quote):
    """The parts between dots, each without quotes of its own."""
    parts, rest = [], name
    while True:
        if rest.startswith(quote):
            found = re.match('%s((?:[^%s]|%s%s)*)%s' % ((quote,) * 5), rest)
            if not found:
                raise UnclosedQuoteError('User escaped identifiers must have an ending quote')
            if not found.group(1):
                raise SQLParseError('Identifier name unspecified or unquoted trailing dot')
            parts.append(found.group(0))
            rest = rest[found.end():]
            if rest and not rest.startswith('.'):
                raise SQLParseError('User escaped identifiers must escape extra quotes')
        else:
            part, dot, after = rest.partition('.')
            if not part:
                raise SQLParseError('Identifier name unspecified or unquoted trailing dot')
            parts.append(quote + part.replace(quote, quote * 2) + quote)
            rest = dot + after
        if not rest:
            return parts
        rest = rest[1:]


def _quoted(name, kind, quote, system, shown):
    parts = _split(name, quote)
    most = _PARTS[system].get(kind, 1)
    if len(parts) > most:
        raise SQLParseError('%s does not support %s with more than %i dots' % (shown, kind, most))
    return '.'.join(parts)


def pg_quote_identifier(identifier, id_type):
    return _quoted(identifier, id_type, '"', 'pg', 'PostgreSQL')


def mysql_quote_identifier(identifier, id_type):
    parts = _quoted(identifier, id_type, '`', 'mysql', 'MySQL')
    return parts.replace('`*`', '*')


_DANGEROUS = (r'\w*\'\s*or\s*\'?\w', r'--', r';', r'/\*', r'\bunion\b.*\bselect\b')


def is_input_dangerous(string):
    return bool(string) and any(re.search(one, string, re.IGNORECASE) for one in _DANGEROUS)


def check_input(module, *args):
    """Ends the module if a value looks like SQL of somebody else."""
    bad = [one for arg in args for one in (arg if isinstance(arg, list) else [arg])
           if isinstance(one, str) and is_input_dangerous(one)]
    if bad:
        module.fail_json(msg='Passed input %s is potentially dangerous' % ', '.join("'%s'" % one for one in bad))
