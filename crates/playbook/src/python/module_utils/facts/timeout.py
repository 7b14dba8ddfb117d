# A limit for functions.
from __future__ import absolute_import

import threading

GATHER_TIMEOUT = None
DEFAULT_GATHER_TIMEOUT = 10


class TimeoutError(Exception):
    """It took too long."""


def timeout(seconds=None, error_message='Timer expired'):
    def decorator(function):
        def wrapper(*args, **kwargs):
            found = {}

            def run():
                try:
                    found['value'] = function(*args, **kwargs)
                except BaseException as error:
                    found['error'] = error
            limit = seconds or GATHER_TIMEOUT or DEFAULT_GATHER_TIMEOUT
            thread = threading.Thread(target=run)
            thread.daemon = True
            thread.start()
            thread.join(limit)
            if 'error' in found:
                raise found['error']
            if 'value' not in found:
                raise TimeoutError('%s after %s seconds' % (error_message, limit))
            return found['value']
        return wrapper
    if callable(seconds):
        function, seconds = seconds, None
        return decorator(function)
    return decorator
