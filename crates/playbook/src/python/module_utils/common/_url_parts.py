# Parts of urls: addresses, file names, and forms with files.
from __future__ import absolute_import

import base64
import calendar  # noqa: F401
import mimetypes
import os
import random
import re
import time

from ansible.module_utils.common._collections_compat import Mapping
from ansible.module_utils.common._utils import native_type_name
from ansible.module_utils.common.text.converters import to_bytes, to_native
from ansible.module_utils.six import PY3, string_types
from ansible.module_utils.six.moves.urllib.parse import unquote, urlparse, urlunparse

PEM_CERT_RE = re.compile(r'^-----BEGIN CERTIFICATE-----\n.+?-----END CERTIFICATE-----$', re.M | re.S)
_DAYS = ('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')
_MONTHS = ('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec')


def rfc2822_date_string(timetuple, zone='-0000'):
    """A date as HTTP writes it, whatever the locale."""
    return '%s, %02d %s %04d %02d:%02d:%02d %s' % (
        _DAYS[timetuple[6]], timetuple[2], _MONTHS[timetuple[1] - 1], timetuple[0], timetuple[3], timetuple[4], timetuple[5],
        zone)


class ParseResultDottedDict(dict):
    """The parts of an address, as items and as attributes."""

    def __init__(self, *args, **kwargs):
        super(ParseResultDottedDict, self).__init__(*args, **kwargs)
        self.__dict__ = self

    def as_list(self):
        return [self.get(part, None) for part in ('scheme', 'netloc', 'path', 'params', 'query', 'fragment')]


def generic_urlparse(parts):
    names = ('scheme', 'netloc', 'path', 'params', 'query', 'fragment', 'username', 'password', 'hostname', 'port')
    return ParseResultDottedDict((name, getattr(parts, name)) for name in names)


def mask_url(url):
    """The address without its user and password."""
    parts = urlparse(url)
    if '@' not in parts.netloc:
        return url
    user = '****:****' if parts.password is not None else '****'
    return urlunparse(parts._replace(netloc='%s@%s' % (user, parts.netloc.rsplit('@', 1)[1])))


def extract_pem_certs(data):
    for found in PEM_CERT_RE.finditer(data):
        yield found.group(0)


# Names of files
def _suffixes(name):
    if name.endswith('.'):
        return []
    return ['.' + part for part in name.lstrip('.').split('.')[1:]]


def _split_multiext(name, min=3, max=4, count=2):
    """The name and its last extensions, of which ".tar.gz" has two."""
    kept = []
    for one in reversed(_suffixes(name)[-count:]):
        if not min <= len(one) <= max:
            break
        kept.insert(0, one)
    end = ''.join(kept)
    return (name[:-len(end)], end) if end else (name, '')


def _header(response, name):
    return response.headers.get(name) if response.headers else None


def get_response_filename(response):
    """The name that the server gives the file, or that of the address."""
    found = re.search(r'filename\*?="?(?:[\w-]+\'\')?([^";]+)"?', _header(response, 'content-disposition') or '')
    return found.group(1) if found else os.path.basename(unquote(urlparse(response.geturl()).path.rstrip('/'))) or None


def parse_content_type(response):
    """(type, its two halves, encoding)"""
    text = _header(response, 'content-type') or ''
    kind = text.split(';')[0].strip().lower()
    if kind.count('/') != 1:
        kind = 'text/plain'
    found = re.search(r'charset="?([\w-]+)', text)
    main, sub = kind.split('/')
    return kind, main, sub, found.group(1) if found else 'utf-8'


# Forms
_ENCODINGS = ('base64', '7or8bit')


def set_multipart_encoding(encoding):
    if encoding not in _ENCODINGS:
        raise ValueError('multipart_encoding must be one of %s.' % ', '.join(_ENCODINGS))
    return _encode if encoding == 'base64' else _as_it_is


def _encode(data):
    encoded = base64.b64encode(data)
    return b'base64', b'\r\n'.join(encoded[at:at + 76] for at in range(0, len(encoded), 76)) + b'\r\n'


def _as_it_is(data):
    try:
        data.decode('ascii')
        return b'7bit', data
    except UnicodeDecodeError:
        return b'8bit', data


def prepare_multipart(fields):
    """(Content-Type, body) of a form; fields are texts or {filename, content, mime_type, multipart_encoding}."""
    if not isinstance(fields, Mapping):
        raise TypeError('Mapping is required, cannot be type %s' % native_type_name(fields))
    parts = []
    for field, value in sorted(fields.items()):
        name, content, kind, encoding = None, value, 'text/plain', None
        if isinstance(value, Mapping):
            name, content, kind = value.get('filename'), value.get('content'), value.get('mime_type')
            if not any((name, content)):
                raise ValueError('at least one of filename or content must be provided')
            if name and not kind:
                try:
                    kind = mimetypes.guess_type(name, strict=False)[0] or 'application/octet-stream'
                except Exception:
                    kind = 'application/octet-stream'
            kind = kind or 'text/plain'
            encode = set_multipart_encoding(value.get('multipart_encoding') or 'base64')
            if not content:
                with open(to_bytes(name, errors='surrogate_or_strict'), 'rb') as file:
                    encoding, content = encode(file.read())
        elif not isinstance(value, string_types):
            raise TypeError('value must be a string, or mapping, cannot be type %s' % native_type_name(value))
        head = [b'Content-Type: ' + to_bytes(kind if '/' in kind else kind + '/')]
        if encoding:
            head.insert(0, b'Content-Transfer-Encoding: ' + encoding)
        shown = b'Content-Disposition: form-data; name="%s"' if PY3 else 'Content-Disposition: form-data; name="%s"'
        shown = shown.replace(b'%s', to_bytes(field))
        if name:
            shown += b'; filename="' + to_bytes(os.path.basename(name)) + b'"'
        parts.append(b'\r\n'.join(head + [shown, b'', to_bytes(content)]))
    boundary = to_bytes('===============%019d==' % random.randrange(10 ** 19))
    body = b''.join(b'--' + boundary + b'\r\n' + part.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n') + b'\r\n'
                    for part in parts)
    return 'multipart/form-data; boundary="%s"' % to_native(boundary), body + b'--' + boundary + b'--\r\n'


def http_time(moment):
    return rfc2822_date_string(moment.timetuple() if hasattr(moment, 'timetuple') else time.gmtime(moment), 'GMT')
