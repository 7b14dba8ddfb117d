# Parts of urls: certificates, handlers of the opener, and how the user is told.
from __future__ import absolute_import

import base64
import gzip
import netrc
import os
import socket
import traceback

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common._url_parts import extract_pem_certs
from ansible.module_utils.common.text.converters import to_bytes, to_native, to_text
from ansible.module_utils.six import PY2, PY3
from ansible.module_utils.six.moves import http_client as httplib
from ansible.module_utils.six.moves.urllib import error as urllib_error
from ansible.module_utils.six.moves.urllib import request as urllib_request
from ansible.module_utils.six.moves.urllib.parse import unquote, urlparse, urlunparse

try:
    import ssl
    HAS_SSL = True
except ImportError:
    ssl, HAS_SSL = None, False
HAS_SSLCONTEXT = HAS_SSL
try:
    import gssapi
    HAS_GSSAPI, GSSAPI_IMP_ERR = True, None
except Exception:
    HAS_GSSAPI, GSSAPI_IMP_ERR = False, traceback.format_exc()
HAS_GZIP, GZIP_IMP_ERR = True, None
BaseHandler = urllib_request.BaseHandler
_BUNDLES = ('/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/ca-bundle.pem',
            '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem', '/etc/ssl/cert.pem', '/usr/local/etc/openssl/cert.pem')


class ConnectionError(Exception):
    """The server can't be reached."""


class ProxyError(ConnectionError):
    """The proxy does not do it."""


class SSLValidationError(ConnectionError):
    """A certificate is not trusted."""


class NoSSLError(SSLValidationError):
    """This Python has no ssl."""


class MissingModuleError(Exception):
    """A library for it is missing."""

    def __init__(self, message, import_traceback, module=None):
        super(MissingModuleError, self).__init__(message)
        self.import_traceback, self.module = import_traceback, module


# Certificates
def get_ca_certs(cafile=None, capath=None):
    """(The certificates of the authorities in DER, the places where they were looked for)"""
    data, places = bytearray(), [cafile] if cafile else [capath] if capath else list(_BUNDLES)
    for place in places:
        files = [os.path.join(place, name) for name in sorted(os.listdir(place))] if os.path.isdir(place) else [place]
        for path in files:
            try:
                with open(path, 'rb') as file:
                    text = to_text(file.read(), errors='surrogateescape' if PY3 else 'replace')
            except (IOError, OSError):
                continue
            for pem in extract_pem_certs(text):
                data.extend(ssl.PEM_cert_to_DER_cert(to_native(pem)))
        if data and not capath:
            break
    return data, places


def make_context(cafile=None, cadata=None, capath=None, ciphers=None, validate_certs=True, client_cert=None,
                 client_key=None):
    if not HAS_SSL:
        raise NoSSLError('SSL validation is not available in your version of python')
    context = ssl.create_default_context(cafile=cafile)
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif not cafile:
        if capath:
            cadata = bytes(get_ca_certs(capath=capath)[0]) or cadata
        if cadata:
            context.load_verify_locations(cadata=cadata)
        elif not context.cert_store_stats()['x509_ca']:
            # A Python built elsewhere does not know where this system has them.
            for bundle in _BUNDLES:
                if os.path.exists(bundle):
                    context.load_verify_locations(cafile=bundle)
                    break
    if ciphers:
        context.set_ciphers(':'.join(map(to_native, [ciphers] if isinstance(ciphers, str) else ciphers)))
    if client_cert:
        context.load_cert_chain(client_cert, keyfile=client_key)
    return context


def getpeercert(response, binary_form=False):
    """The certificate of the server."""
    place = response.fp
    for name in ('raw', '_sock', 'fp'):
        if hasattr(place, 'getpeercert'):
            break
        place = getattr(place, name, None) or place
    return place.getpeercert(binary_form)


# Parts of the opener
class UnixHTTPConnection(httplib.HTTPConnection):
    """A connection through a socket in the filesystem; the host's name is only told."""

    def __init__(self, unix_socket):
        self._unix_socket = unix_socket

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.connect(self._unix_socket)
        except (OSError, socket.error) as error:
            raise OSError('Invalid Socket File (%s): %s' % (self._unix_socket, error))
        if self.timeout is not socket._GLOBAL_DEFAULT_TIMEOUT:
            self.sock.settimeout(self.timeout)

    def __call__(self, *args, **kwargs):
        httplib.HTTPConnection.__init__(self, *args, **kwargs)
        return self


class UnixHTTPHandler(urllib_request.HTTPHandler):
    def __init__(self, unix_socket, **kwargs):
        urllib_request.HTTPHandler.__init__(self, **kwargs)
        self._unix_socket = unix_socket

    def http_open(self, req):
        return self.do_open(UnixHTTPConnection(self._unix_socket), req)


UnixHTTPSHandler = None
if HAS_SSL:
    class UnixHTTPSConnection(httplib.HTTPSConnection):
        def __init__(self, unix_socket):
            self._unix_socket = unix_socket

        def connect(self):
            UnixHTTPConnection.__dict__['connect'](self)
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)

        def __call__(self, *args, **kwargs):
            httplib.HTTPSConnection.__init__(self, *args, **kwargs)
            return self

    class UnixHTTPSHandler(urllib_request.HTTPSHandler):
        def __init__(self, unix_socket, **kwargs):
            urllib_request.HTTPSHandler.__init__(self, **kwargs)
            self._unix_socket = unix_socket

        def https_open(self, req):
            return self.do_open(UnixHTTPSConnection(self._unix_socket), req, context=self._context)


class _Request(urllib_request.Request):
    """One that knows its method, which Python 2's does not."""

    def __init__(self, url, data=None, method=None, **kwargs):
        urllib_request.Request.__init__(self, url, data, **kwargs)
        self._wanted = method

    def get_method(self):
        return self._wanted or urllib_request.Request.get_method(self)


class HTTPRedirectHandler(urllib_request.HTTPRedirectHandler):
    """Follows redirects as `follow_redirects` says: all, safe (those of GET and HEAD), none, or urllib2 (as Python does)."""

    def __init__(self, follow_redirects=None):
        self.follow_redirects = follow_redirects

    def __call__(self, *args, **kwargs):
        return self

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        policy = {'yes': 'all', 'no': 'none', True: 'all', False: 'none'}.get(self.follow_redirects, self.follow_redirects)
        method = req.get_method()
        if policy == 'urllib2':
            # Older Pythons do not know 308.
            known = 307 if code == 308 and method in ('GET', 'HEAD') else code
            return urllib_request.HTTPRedirectHandler.redirect_request(self, req, fp, known, msg, headers, newurl)
        if policy != 'all' and (policy != 'safe' or method not in ('HEAD', 'GET')):
            raise urllib_error.HTTPError(newurl, code, msg, headers, fp)
        data, kept = req.data, dict(req.headers)
        if code not in (307, 308):
            # Browsers ask with GET then, and so does everyone.
            data = None
            for name in list(kept):
                if name.lower() in ('content-length', 'content-type', 'transfer-encoding'):
                    del kept[name]
            if method != 'HEAD' and (code == 303 or code == 302 or code == 301 and method == 'POST'):
                method = 'GET'
        host = req.origin_req_host if hasattr(req, 'origin_req_host') else req.get_origin_req_host()
        return _Request(newurl.replace(' ', '%20'), data=data, method=method, headers=kept, origin_req_host=host,
                        unverifiable=True)

    http_error_308 = urllib_request.HTTPRedirectHandler.http_error_302


class GzipDecodedReader(gzip.GzipFile):
    """What is read of a response that came packed."""

    def __init__(self, fp):
        if PY2:
            # There gzip wants a file that it can go back in.
            from io import BytesIO
            self._io = BytesIO(fp.read())
        else:
            self._io = fp
        gzip.GzipFile.__init__(self, mode='rb', fileobj=self._io)

    def close(self):
        try:
            gzip.GzipFile.close(self)
        finally:
            self._io.close()

    @staticmethod
    def missing_gzip_error():
        return missing_required_lib('gzip', reason='required to decompress responses')


if HAS_GSSAPI:
    class HTTPGSSAPIAuthHandler(BaseHandler):
        """Kerberos: answers "Negotiate" with a ticket."""
        handler_order = 480

        def __init__(self, username=None, password=None):
            self.username, self.password, self._tried = username, password, False

        def http_error_401(self, req, fp, code, msg, headers):
            offered = headers.get('www-authenticate', '').lower()
            if 'negotiate' not in offered or self._tried:
                return None
            self._tried = True
            name = gssapi.Name('HTTP@%s' % urlparse(req.get_full_url()).hostname, gssapi.NameType.hostbased_service)
            creds = None
            if self.username and self.password:
                user = gssapi.Name(self.username, gssapi.NameType.user)
                creds = gssapi.raw.acquire_cred_with_password(user, to_bytes(self.password), usage='initiate').creds
            token = gssapi.SecurityContext(name=name, creds=creds, usage='initiate').step(None)
            req.add_unredirected_header('Authorization', 'Negotiate ' + to_native(base64.b64encode(token)))
            return self.parent.open(req, timeout=req.timeout)
else:
    HTTPGSSAPIAuthHandler = None


def basic_auth_header(username, password):
    text = '%s:%s' % (to_native(username), to_native('' if password is None else password))
    return b'Basic ' + base64.b64encode(to_bytes(text, errors='surrogate_or_strict'))


def get_user_agent():
    return 'ansible-httpget'


def _configure_auth(url, url_username, url_password, use_gssapi, force_basic_auth, use_netrc):
    """The user and password of the call, the address or ~/.netrc: (address without them, headers, handlers)."""
    headers, handlers, parts = {}, [], urlparse(url)
    username, password = url_username, url_password
    if parts.scheme != 'ftp':
        if not username and '@' in parts.netloc:
            credentials, netloc = parts.netloc.rsplit('@', 1)
            username, _, password = (unquote(one) for one in credentials.partition(':'))
            url = urlunparse(parts._replace(netloc=netloc))
        elif username and '@' in parts.netloc:
            url = urlunparse(parts._replace(netloc=parts.netloc.rsplit('@', 1)[1]))
        if use_gssapi:
            if not HTTPGSSAPIAuthHandler:
                raise MissingModuleError(
                    missing_required_lib('gssapi', reason='for use_gssapi=True', url='https://pypi.org/project/gssapi/'),
                    import_traceback=GSSAPI_IMP_ERR)
            handlers.append(HTTPGSSAPIAuthHandler(username, password))
        elif username and not force_basic_auth:
            known = urllib_request.HTTPPasswordMgrWithDefaultRealm()
            known.add_password(None, url, username, password or '')
            handlers += [urllib_request.HTTPBasicAuthHandler(known), urllib_request.HTTPDigestAuthHandler(known)]
        elif username and force_basic_auth:
            headers['Authorization'] = to_native(basic_auth_header(username, password))
        elif use_netrc:
            try:
                found = netrc.netrc(os.environ.get('NETRC')).authenticators(parts.hostname)
            except (IOError, OSError, netrc.NetrcParseError):
                found = None
            if found and found[0]:
                headers['Authorization'] = to_native(basic_auth_header(found[0], found[2]))
    return url, headers, handlers
