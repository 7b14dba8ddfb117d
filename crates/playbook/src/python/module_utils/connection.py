# Connections to network devices, which this program has not: modules that import this say so once they want one.
from __future__ import absolute_import

import json
import uuid

from ansible.module_utils.common.text.converters import to_bytes, to_text  # noqa: F401

_TEXT = 'connections to network devices (network_cli, netconf, httpapi) are not supported'


class ConnectionError(Exception):
    def __init__(self, message, *args, **kwargs):
        super(ConnectionError, self).__init__(message)
        for name, value in kwargs.items():
            setattr(self, name, value)


class Connection(object):
    def __init__(self, socket_path):
        if socket_path is None:
            raise AssertionError('socket_path must be a value')
        self.socket_path = socket_path

    def __getattr__(self, name):
        if name.startswith('_'):
            raise AttributeError("'%s' object has no attribute '%s'" % (self.__class__.__name__, name))

        def call(*args, **kwargs):
            raise ConnectionError(_TEXT)
        return call

    def send(self, data):
        raise ConnectionError(_TEXT)


def exec_command(module, command):
    """(status, output, errors)"""
    return 1, '', _TEXT


def request_builder(method_, *args, **kwargs):
    return {'jsonrpc': '2.0', 'method': method_, 'id': str(uuid.uuid4()), 'params': (args, kwargs)}


def write_to_stream(stream, obj):
    data = to_bytes(json.dumps(obj))
    stream.write(to_bytes('%d\n' % len(data)) + data)


def send_data(s, data):
    raise ConnectionError(_TEXT)


recv_data = send_data
