# What Python 2 and 3 name differently, under the names of the library `six`. The modules of `six.moves` are loaded when
# something of them is asked for.
from __future__ import absolute_import

import functools
import importlib
import io
import itertools
import operator
import struct
import sys
import types

__version__ = '1.17.0'
PY2 = sys.version_info[0] == 2
PY3 = not PY2
PY34 = sys.version_info >= (3, 4)

if PY3:
    string_types, integer_types, class_types = (str,), (int,), (type,)
    text_type, binary_type = str, bytes
    MAXSIZE = sys.maxsize
else:
    string_types, integer_types, class_types = (basestring,), (int, long), (type, types.ClassType)  # noqa: F821
    text_type, binary_type = unicode, str  # noqa: F821
    MAXSIZE = (1 << struct.calcsize('P') * 8 - 1) - 1


class _Names(types.ModuleType):
    """A module each of whose names comes from another place: (module,) or (module, name of it), for Python 2 and 3."""

    def __init__(self, name, names):
        types.ModuleType.__init__(self, name)
        self.__path__ = []
        self._names = names

    def __dir__(self):
        return sorted(self._names)

    def __getattr__(self, name):
        if name not in self._names:
            raise AttributeError(name)
        place = self._names[name]
        found = importlib.import_module(place[0])
        if len(place) > 1:
            found = getattr(found, place[1])
        setattr(self, name, found)
        return found


class _Whole(types.ModuleType):
    """Another module under this name."""

    def __init__(self, name, other):
        types.ModuleType.__init__(self, name)
        self.__path__ = []
        self._other = other

    def __dir__(self):
        return dir(importlib.import_module(self._other))

    def __getattr__(self, name):
        if name.startswith('__') and name not in ('__all__', '__doc__'):
            raise AttributeError(name)
        return getattr(importlib.import_module(self._other), name)


_builtin = 'builtins' if PY3 else '__builtin__'
# Modules that moved: name in six.moves, Python 2, Python 3.
_MODULES = [line.split() for line in '''
    builtins __builtin__ builtins
    collections_abc collections collections.abc
    configparser ConfigParser configparser
    copyreg copy_reg copyreg
    cPickle cPickle pickle
    _thread thread _thread
    _dummy_thread dummy_thread _dummy_thread
    http_client httplib http.client
    http_cookies Cookie http.cookies
    http_cookiejar cookielib http.cookiejar
    html_entities htmlentitydefs html.entities
    html_parser HTMLParser html.parser
    BaseHTTPServer BaseHTTPServer http.server
    CGIHTTPServer CGIHTTPServer http.server
    SimpleHTTPServer SimpleHTTPServer http.server
    email_mime_base email.MIMEBase email.mime.base
    email_mime_image email.MIMEImage email.mime.image
    email_mime_multipart email.MIMEMultipart email.mime.multipart
    email_mime_nonmultipart email.MIMENonMultipart email.mime.nonmultipart
    email_mime_text email.MIMEText email.mime.text
    queue Queue queue
    reprlib repr reprlib
    socketserver SocketServer socketserver
    xmlrpc_client xmlrpclib xmlrpc.client
    xmlrpc_server SimpleXMLRPCServer xmlrpc.server
    dbm_gnu gdbm dbm.gnu
    dbm_ndbm dbm dbm.ndbm
    tkinter Tkinter tkinter
    urllib_robotparser robotparser urllib.robotparser
'''.strip().splitlines()]
_moves = dict((name, (new if PY3 else old,)) for name, old, new in _MODULES)
if PY3:
    _moves.update(
        cStringIO=('io', 'StringIO'), StringIO=('io', 'StringIO'), UserDict=('collections', 'UserDict'),
        UserList=('collections', 'UserList'), UserString=('collections', 'UserString'), filter=(_builtin, 'filter'),
        filterfalse=('itertools', 'filterfalse'), getcwd=('os', 'getcwd'), getcwdb=('os', 'getcwdb'),
        getoutput=('subprocess', 'getoutput'), input=(_builtin, 'input'), intern=('sys', 'intern'), map=(_builtin, 'map'),
        range=(_builtin, 'range'), xrange=(_builtin, 'range'), reduce=('functools', 'reduce'),
        reload_module=('importlib', 'reload'), shlex_quote=('shlex', 'quote'), zip=(_builtin, 'zip'),
        zip_longest=('itertools', 'zip_longest'))
else:
    _moves.update(
        cStringIO=('cStringIO', 'StringIO'), StringIO=('StringIO', 'StringIO'), UserDict=('UserDict', 'UserDict'),
        UserList=('UserList', 'UserList'), UserString=('UserString', 'UserString'), filter=('itertools', 'ifilter'),
        filterfalse=('itertools', 'ifilterfalse'), getcwd=('os', 'getcwdu'), getcwdb=('os', 'getcwd'),
        getoutput=('commands', 'getoutput'), input=(_builtin, 'raw_input'), intern=(_builtin, 'intern'),
        map=('itertools', 'imap'), range=(_builtin, 'xrange'), xrange=(_builtin, 'xrange'), reduce=(_builtin, 'reduce'),
        reload_module=(_builtin, 'reload'), shlex_quote=('pipes', 'quote'), zip=('itertools', 'izip'),
        zip_longest=('itertools', 'izip_longest'))

# Parts of urllib: names, and their modules in Python 2 (in the order of the names' groups).
_PARSE = {
    'urlparse': 'ParseResult SplitResult parse_qs parse_qsl urldefrag urljoin urlparse urlsplit urlunparse urlunsplit '
                'uses_fragment uses_netloc uses_params uses_query uses_relative',
    'urllib': 'quote quote_plus unquote unquote_plus urlencode splitquery splittag splituser splitvalue'}
_ERROR = {'urllib2': 'URLError HTTPError', 'urllib': 'ContentTooShortError'}
_REQUEST = {
    'urllib2': 'urlopen install_opener build_opener parse_http_list parse_keqv_list Request OpenerDirector '
               'HTTPDefaultErrorHandler HTTPRedirectHandler HTTPCookieProcessor ProxyHandler BaseHandler HTTPPasswordMgr '
               'HTTPPasswordMgrWithDefaultRealm AbstractBasicAuthHandler HTTPBasicAuthHandler ProxyBasicAuthHandler '
               'AbstractDigestAuthHandler HTTPDigestAuthHandler ProxyDigestAuthHandler HTTPHandler HTTPSHandler FileHandler '
               'FTPHandler CacheFTPHandler UnknownHandler HTTPErrorProcessor',
    'urllib': 'pathname2url url2pathname getproxies urlretrieve urlcleanup URLopener FancyURLopener proxy_bypass'}


def _urllib(part, groups):
    return dict((name, ('urllib.' + part if PY3 else old, name)) for old, names in groups.items() for name in names.split())


_parse, _error, _request = _urllib('parse', _PARSE), _urllib('error', _ERROR), _urllib('request', _REQUEST)
_parse['unquote_to_bytes'] = ('urllib.parse', 'unquote_to_bytes') if PY3 else ('urllib', 'unquote')
_response = dict((name, ('urllib.response' if PY3 else 'urllib', name))
                 for name in ('addbase', 'addclosehook', 'addinfo', 'addinfourl'))
_robot = {'RobotFileParser': _moves['urllib_robotparser'] + ('RobotFileParser',)}


def _lay(name, module):
    sys.modules[__name__ + '.moves' + name] = module
    return module


moves = _lay('', _Names(__name__ + '.moves', _moves))
for _name, _place in list(_moves.items()):
    if len(_place) == 1 and _name != 'urllib_robotparser':
        _lay('.' + _name, _Whole(__name__ + '.moves.' + _name, _place[0]))
moves.urllib = _lay('.urllib', _Names(__name__ + '.moves.urllib', {}))
for _name, _place in (('parse', _parse), ('error', _error), ('request', _request), ('response', _response),
                      ('robotparser', _robot)):
    _module = _lay('.urllib.' + _name, _Names(__name__ + '.moves.urllib.' + _name, _place))
    setattr(moves.urllib, _name, _module)
    setattr(moves, 'urllib_' + _name, _lay('.urllib_' + _name, _module))


def add_move(move):
    setattr(moves, move.name, importlib.import_module(move.mod))


def _of(old, new):
    """The method that is named `old` in Python 2 and `new` in Python 3."""
    def call(obj, *args, **kwargs):
        return iter(getattr(obj, new if PY3 else old)(*args, **kwargs))
    return call


iterkeys, itervalues = _of('iterkeys', 'keys'), _of('itervalues', 'values')
iteritems, iterlists = _of('iteritems', 'items'), _of('iterlists', 'lists')
viewkeys = operator.methodcaller('keys' if PY3 else 'viewkeys')
viewvalues = operator.methodcaller('values' if PY3 else 'viewvalues')
viewitems = operator.methodcaller('items' if PY3 else 'viewitems')
get_method_function = operator.attrgetter('__func__')
get_method_self = operator.attrgetter('__self__')
get_function_closure = operator.attrgetter('__closure__')
get_function_code = operator.attrgetter('__code__')
get_function_defaults = operator.attrgetter('__defaults__')
get_function_globals = operator.attrgetter('__globals__')
next = advance_iterator = next
StringIO = io.StringIO if PY3 else moves.StringIO
BytesIO = io.BytesIO if PY3 else moves.StringIO


def callable(obj):
    return any('__call__' in one.__dict__ for one in type(obj).__mro__)


def b(text):
    return text.encode('latin-1') if PY3 else text


def u(text):
    return text if PY3 else unicode(text.replace('\\\\', '\\\\\\\\'), 'unicode_escape')  # noqa: F821


if PY3:
    unichr, int2byte = chr, struct.Struct('>B').pack
    byte2int, indexbytes, iterbytes = operator.itemgetter(0), operator.getitem, iter
    create_bound_method = types.MethodType

    def create_unbound_method(function, cls):
        return function

    def get_unbound_function(method):
        return method

    def reraise(tp, value, tb=None):
        raise (tp() if value is None else value).with_traceback(tb)

    Iterator = object
    exec_ = getattr(importlib.import_module('builtins'), 'exec')
    print_ = getattr(importlib.import_module('builtins'), 'print')
    # `raise ... from ...` is no syntax of Python 2.
    exec_('def raise_from(value, from_value):\n    try:\n        raise value from from_value\n'
          '    finally:\n        value = None\n')
else:
    unichr, int2byte = unichr, chr  # noqa: F821

    def byte2int(value):
        return ord(value[0])

    def indexbytes(value, at):
        return ord(value[at])

    iterbytes = functools.partial(itertools.imap, ord)

    def create_bound_method(function, obj):
        return types.MethodType(function, obj, obj.__class__)

    def create_unbound_method(function, cls):
        return types.MethodType(function, None, cls)

    def get_unbound_function(method):
        return method.im_func

    class Iterator(object):
        def next(self):
            return type(self).__next__(self)

    def exec_(code, scope=None, inner=None):
        frame = sys._getframe(1)
        scope, inner = (frame.f_globals, frame.f_locals) if scope is None else (scope, scope if inner is None else inner)
        eval(compile('exec code in scope, inner', '<six>', 'exec'), {'code': code, 'scope': scope, 'inner': inner})

    exec_('def reraise(tp, value, tb=None):\n    raise tp, value, tb\n')

    def raise_from(value, from_value):
        raise value

    def print_(*args, **kwargs):
        out = kwargs.get('file') or sys.stdout
        out.write(kwargs.get('sep', ' ').join(str(arg) if not isinstance(arg, unicode) else arg for arg in args)  # noqa: F821
                  + kwargs.get('end', '\n'))


def with_metaclass(meta, *bases):
    """A base whose subclass is made by `meta` from `bases`, without a class between them."""
    class maker(type):
        def __new__(cls, name, none, body):
            return meta(name, bases, body)

        @classmethod
        def __prepare__(cls, name, none):
            return meta.__prepare__(name, bases) if hasattr(meta, '__prepare__') else {}
    return type.__new__(maker, 'temporary_class', (), {})


def add_metaclass(metaclass):
    def make(cls):
        body = dict(cls.__dict__)
        slots = body.get('__slots__') or []
        for name in [slots] if isinstance(slots, str) else slots:
            body.pop(name)
        body.pop('__dict__', None)
        body.pop('__weakref__', None)
        return metaclass(cls.__name__, cls.__bases__, body)
    return make


def wraps(wrapped, assigned=functools.WRAPPER_ASSIGNMENTS, updated=functools.WRAPPER_UPDATES):
    def make(function):
        there = [name for name in assigned if hasattr(wrapped, name)]
        function = functools.wraps(wrapped, there, updated)(function)
        function.__wrapped__ = wrapped
        return function
    return make


def ensure_binary(value, encoding='utf-8', errors='strict'):
    if isinstance(value, binary_type):
        return value
    if isinstance(value, text_type):
        return value.encode(encoding, errors)
    raise TypeError("not expecting type '%s'" % type(value))


def ensure_text(value, encoding='utf-8', errors='strict'):
    if isinstance(value, text_type):
        return value
    if isinstance(value, binary_type):
        return value.decode(encoding, errors)
    raise TypeError("not expecting type '%s'" % type(value))


ensure_str = ensure_text if PY3 else ensure_binary


def python_2_unicode_compatible(cls):
    if PY2:
        cls.__unicode__ = cls.__str__
        cls.__str__ = lambda self: self.__unicode__().encode('utf-8')
    return cls


def assertCountEqual(self, *args, **kwargs):
    return getattr(self, 'assertCountEqual' if PY3 else 'assertItemsEqual')(*args, **kwargs)


def assertRaisesRegex(self, *args, **kwargs):
    return getattr(self, 'assertRaisesRegex' if PY3 else 'assertRaisesRegexp')(*args, **kwargs)


def assertRegex(self, *args, **kwargs):
    return getattr(self, 'assertRegex' if PY3 else 'assertRegexpMatches')(*args, **kwargs)
