# Requests over HTTP, HTTPS and FTP with what Python brings.
from __future__ import absolute_import

import functools
import os
import platform  # noqa: F401
import socket
import tempfile
import traceback

from ansible.module_utils.basic import missing_required_lib  # noqa: F401
from ansible.module_utils.common._collections_compat import Mapping  # noqa: F401
from ansible.module_utils.common._url_handlers import (  # noqa: F401
    BaseHandler, ConnectionError, GSSAPI_IMP_ERR, GZIP_IMP_ERR, HAS_GSSAPI, HAS_GZIP, HAS_SSL, HAS_SSLCONTEXT,
    HTTPGSSAPIAuthHandler, HTTPRedirectHandler, GzipDecodedReader, MissingModuleError, NoSSLError, ProxyError,
    SSLValidationError, UnixHTTPConnection, UnixHTTPHandler, UnixHTTPSHandler, _configure_auth, _Request, basic_auth_header,
    get_ca_certs, get_user_agent, getpeercert, make_context)
from ansible.module_utils.common._url_parts import (  # noqa: F401
    PEM_CERT_RE, ParseResultDottedDict, _split_multiext, _suffixes, extract_pem_certs, generic_urlparse,
    get_response_filename, http_time, mask_url, parse_content_type, prepare_multipart, rfc2822_date_string,
    set_multipart_encoding)
from ansible.module_utils.common.collections import is_sequence  # noqa: F401
from ansible.module_utils.common.text.converters import to_bytes, to_native, to_text  # noqa: F401
from ansible.module_utils.six import PY2, PY3  # noqa: F401
from ansible.module_utils.six.moves import http_client as httplib
from ansible.module_utils.six.moves import http_cookiejar as cookiejar
from ansible.module_utils.six.moves import urllib  # noqa: F401
from ansible.module_utils.six.moves.urllib import error as urllib_error
from ansible.module_utils.six.moves.urllib import request as urllib_request
from ansible.module_utils.six.moves.urllib.parse import unquote, urlparse, urlunparse  # noqa: F401


class Request(object):
    def __init__(self, headers=None, use_proxy=True, force=False, timeout=10, validate_certs=True, url_username=None,
                 url_password=None, http_agent=None, force_basic_auth=False, follow_redirects='urllib2', client_cert=None,
                 client_key=None, cookies=None, unix_socket=None, ca_path=None, unredirected_headers=None, decompress=True,
                 ciphers=None, use_netrc=True, context=None):
        self.headers = headers or {}
        if not isinstance(self.headers, dict):
            raise ValueError('headers must be a dict: %r' % (self.headers,))
        self.use_proxy, self.force, self.timeout, self.validate_certs = use_proxy, force, timeout, validate_certs
        self.url_username, self.url_password, self.http_agent = url_username, url_password, http_agent
        self.force_basic_auth, self.follow_redirects = force_basic_auth, follow_redirects
        self.client_cert, self.client_key, self.unix_socket, self.ca_path = client_cert, client_key, unix_socket, ca_path
        self.unredirected_headers, self.decompress, self.ciphers = unredirected_headers, decompress, ciphers
        self.use_netrc, self.context = use_netrc, context
        self.cookies = cookies if isinstance(cookies, cookiejar.CookieJar) else cookiejar.CookieJar()

    def _fallback(self, value, fallback):
        return fallback if value is None else value

    def open(self, method, url, data=None, headers=None, use_proxy=None, force=None, last_mod_time=None, timeout=None,
             validate_certs=None, url_username=None, url_password=None, http_agent=None, force_basic_auth=None,
             follow_redirects=None, client_cert=None, client_key=None, cookies=None, use_gssapi=False, unix_socket=None,
             ca_path=None, unredirected_headers=None, decompress=None, ciphers=None, use_netrc=None, context=None):
        """Asks; what is not said is as the session was made."""
        if headers is None:
            headers = {}
        elif not isinstance(headers, dict):
            raise ValueError('headers must be a dict')
        headers = dict(self.headers, **headers)
        given = locals()

        def value(name):
            return self._fallback(given[name], getattr(self, name))
        method, agent, unix_socket = method.upper(), value('http_agent'), value('unix_socket')
        handlers, decompress = [], value('decompress')
        if unix_socket:
            handlers.append(UnixHTTPHandler(unix_socket))
        url, added, auth = _configure_auth(url, value('url_username'), value('url_password'), use_gssapi,
                                           value('force_basic_auth'), value('use_netrc'))
        headers.update(added)
        handlers += auth
        if not value('use_proxy'):
            handlers.append(urllib_request.ProxyHandler({}))
        if HAS_SSL:
            context = value('context') or make_context(
                cafile=value('ca_path'), ciphers=value('ciphers'), validate_certs=value('validate_certs'),
                client_cert=value('client_cert'), client_key=value('client_key'))
            handlers.append(UnixHTTPSHandler(unix_socket, context=context) if unix_socket
                            else urllib_request.HTTPSHandler(context=context))
        elif url.lower().startswith('https:'):
            raise NoSSLError('SSL validation is not available in your version of python')
        handlers.append(HTTPRedirectHandler(value('follow_redirects')))
        handlers.append(urllib_request.HTTPCookieProcessor(value('cookies')))
        opener = urllib_request.build_opener(*handlers)
        # Modules that use urllib themselves get it, too.
        urllib_request.install_opener(opener)
        request = _Request(url, data=to_bytes(data, nonstring='passthru') if data is not None else None, method=method)
        if agent:
            request.add_header('User-agent', agent)
        if value('force'):
            request.add_header('cache-control', 'no-cache')
        elif last_mod_time:
            request.add_header('If-Modified-Since', http_time(last_mod_time))
        stay = [name.lower() for name in value('unredirected_headers') or []]
        for name, text in headers.items():
            add = request.add_unredirected_header if name.lower() in stay else request.add_header
            add(to_native(name), to_native(text))
        response = opener.open(request, None, value('timeout'))
        if decompress and (response.headers.get('content-encoding') or '').lower() == 'gzip':
            packed = GzipDecodedReader(response.fp)
            if PY3:
                response.fp = packed
                # The length is that of the packed body.
                response.length = None
            else:
                response.fp = packed
                for name in ('read', 'readline', 'readlines', '__iter__'):
                    if hasattr(packed, name):
                        setattr(response, name, getattr(packed, name))
        return response

    def get(self, url, **kwargs):
        return self.open('GET', url, **kwargs)

    def options(self, url, **kwargs):
        return self.open('OPTIONS', url, **kwargs)

    def head(self, url, **kwargs):
        return self.open('HEAD', url, **kwargs)

    def post(self, url, data=None, **kwargs):
        return self.open('POST', url, data=data, **kwargs)

    def put(self, url, data=None, **kwargs):
        return self.open('PUT', url, data=data, **kwargs)

    def patch(self, url, data=None, **kwargs):
        return self.open('PATCH', url, data=data, **kwargs)

    def delete(self, url, **kwargs):
        return self.open('DELETE', url, **kwargs)


def open_url(url, data=None, headers=None, method=None, use_proxy=True, force=False, last_mod_time=None, timeout=10,
             validate_certs=True, url_username=None, url_password=None, http_agent=None, force_basic_auth=False,
             follow_redirects='urllib2', client_cert=None, client_key=None, cookies=None, use_gssapi=False,
             unix_socket=None, ca_path=None, unredirected_headers=None, decompress=True, ciphers=None, use_netrc=True):
    """The response of one request; bad statuses are raised."""
    return Request().open(
        method or ('POST' if data else 'GET'), url, data=data, headers=headers, use_proxy=use_proxy, force=force,
        last_mod_time=last_mod_time, timeout=timeout, validate_certs=validate_certs, url_username=url_username,
        url_password=url_password, http_agent=http_agent, force_basic_auth=force_basic_auth,
        follow_redirects=follow_redirects, client_cert=client_cert, client_key=client_key, cookies=cookies,
        use_gssapi=use_gssapi, unix_socket=unix_socket, ca_path=ca_path, unredirected_headers=unredirected_headers,
        decompress=decompress, ciphers=ciphers, use_netrc=use_netrc)


# For modules
def url_argument_spec():
    return dict(
        url=dict(type='str'), force=dict(type='bool', default=False), http_agent=dict(type='str', default='ansible-httpget'),
        use_proxy=dict(type='bool', default=True), validate_certs=dict(type='bool', default=True),
        url_username=dict(type='str'), url_password=dict(type='str', no_log=True),
        force_basic_auth=dict(type='bool', default=False), client_cert=dict(type='path'), client_key=dict(type='path'),
        use_gssapi=dict(type='bool', default=False))


def url_redirect_argument_spec():
    return dict(follow_redirects=dict(type='str', default='safe', choices=['all', 'no', 'none', 'safe', 'urllib2', 'yes']))


def _headers(response):
    """The headers with small letters; several of a name make one text."""
    out = {}
    if PY3:
        for name, text in response.headers.items():
            name = name.lower()
            out[name] = ', '.join((out[name], text)) if name in out else text
        return out
    return dict((name.lower(), text) for name, text in response.info().items())


def fetch_url(module, url, data=None, headers=None, method=None, use_proxy=None, force=False, last_mod_time=None,
              timeout=10, use_gssapi=False, unix_socket=None, ca_path=None, cookies=None, unredirected_headers=None,
              decompress=True, ciphers=None, use_netrc=True):
    """The response, or None, and what is known of it: status, msg, url, headers with small letters, cookies, body of an
    error. The module's own arguments say how to connect."""
    params = module.params
    old, tempfile.tempdir = tempfile.tempdir, module.tmpdir
    if not isinstance(cookies, cookiejar.CookieJar):
        cookies = cookiejar.LWPCookieJar()
    response, info = None, dict(url=url, status=-1)
    try:
        response = open_url(
            url, data=data, headers=headers, method=method,
            use_proxy=params.get('use_proxy', True) if use_proxy is None else use_proxy, force=force,
            last_mod_time=last_mod_time, timeout=timeout, validate_certs=params.get('validate_certs', True),
            url_username=params.get('url_username', ''), url_password=params.get('url_password', ''),
            http_agent=params.get('http_agent', get_user_agent()), force_basic_auth=params.get('force_basic_auth', ''),
            follow_redirects=params.get('follow_redirects', 'urllib2'), client_cert=params.get('client_cert'),
            client_key=params.get('client_key'), cookies=cookies, use_gssapi=params.get('use_gssapi', use_gssapi),
            unix_socket=unix_socket, ca_path=ca_path, unredirected_headers=unredirected_headers, decompress=decompress,
            ciphers=ciphers, use_netrc=use_netrc)
        info.update(_headers(response))
        pairs = [(cookie.name, cookie.value) for cookie in cookies]
        info.update(cookies=dict(pairs), cookies_string='; '.join('%s=%s' % pair for pair in pairs),
                    msg='OK (%s bytes)' % response.headers.get('Content-Length', 'unknown'), url=response.geturl(),
                    status=response.code)
    except (ConnectionError, ValueError) as error:
        module.fail_json(msg=to_native(error), **info)
    except MissingModuleError as error:
        module.fail_json(msg=to_text(error), exception=error.import_traceback)
    except urllib_error.HTTPError as error:
        response = error
        body = b''
        try:
            if error.fp is not None:
                body = error.read()
                if PY3:
                    error.fp.close()
        except (AttributeError, IOError, OSError):
            pass
        try:
            info.update(_headers(error))
        except Exception:
            pass
        info.update(msg=to_native(error), body=body, status=error.code)
    except urllib_error.URLError as error:
        info.update(msg='Request failed: %s' % to_native(error), status=int(getattr(error, 'code', -1)))
    except (socket.error, socket.timeout) as error:
        info.update(msg='Connection failure: %s' % to_native(error), status=-1)
    except httplib.BadStatusLine as error:
        info.update(msg='Connection failure: connection was closed before a valid response was received: %s'
                    % to_native(error.line), status=-1)
    except Exception as error:
        info.update(msg='An unknown error occurred: %s' % to_native(error), exception=traceback.format_exc(), status=-1)
    finally:
        tempfile.tempdir = old
    return response, info


def fetch_file(module, url, data=None, headers=None, method=None, use_proxy=True, force=False, last_mod_time=None,
               timeout=10, unredirected_headers=None, decompress=True, ciphers=None, ca_path=None, cookies=None):
    """The name of a file of its own that holds what was fetched; it goes when the module ends."""
    name = os.path.basename(urlparse(url).path)
    prefix, suffix = _split_multiext(name, count=2)
    made = tempfile.NamedTemporaryFile(dir=module.tmpdir, prefix=prefix, suffix=suffix, delete=False)
    module.add_cleanup_file(made.name)
    try:
        response, info = fetch_url(
            module, url, data, headers, method, use_proxy, force, last_mod_time, timeout, ca_path=ca_path,
            unredirected_headers=unredirected_headers, decompress=decompress, ciphers=ciphers, cookies=cookies)
        if not response or info.get('status', 200) >= 400:
            module.fail_json(msg='Failure downloading %s, %s' % (url, info['msg']))
        for part in iter(functools.partial(response.read, 65536), b''):
            made.write(part)
    except Exception as error:
        module.fail_json(msg='Failure downloading %s, %s' % (url, to_native(error)))
    finally:
        made.close()
    return made.name


