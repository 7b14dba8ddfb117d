# New tries of calls to clouds.
from __future__ import absolute_import

import functools
import random
import time

NoneType = type(None)


class BackoffIterator(object):
    """Pauses that grow."""

    def __init__(self, delay, backoff, max_delay=None, jitter=False):
        self.delay, self.backoff, self.max_delay, self.jitter = delay, backoff, max_delay, jitter
        self.new_delay = delay

    def __iter__(self):
        self.new_delay = self.delay
        return self

    def __next__(self):
        now = self.new_delay if self.max_delay is None else min(self.new_delay, self.max_delay)
        self.new_delay *= self.backoff
        return random.uniform(0.0, now) if self.jitter else now

    next = __next__


def _full_jitter_backoff(retries=10, delay=3, max_delay=60, _random=random):
    return [_random.randint(0, min(max_delay, delay * 2 ** tried)) for tried in range(retries)]


def _exponential_backoff(retries=10, delay=2, backoff=2, max_delay=60):
    out = [delay * backoff ** tried for tried in range(retries)]
    return out if max_delay is None else [min(one, max_delay) for one in out]


class CloudRetry(object):
    """Subclasses say what is tried again: base_class, status_code_from_exception, found."""
    base_class = NoneType

    @staticmethod
    def status_code_from_exception(error):
        pass

    @staticmethod
    def found(response_code, catch_extra_error_codes=None):
        pass

    @classmethod
    def _retry(cls, delays, catch_extra_error_codes):
        def wrapper(function):
            @functools.wraps(function)
            def run(*args, **kwargs):
                for delay in delays:
                    try:
                        return function(*args, **kwargs)
                    except Exception as error:
                        if not isinstance(error, cls.base_class) or not cls.found(
                                cls.status_code_from_exception(error), catch_extra_error_codes):
                            raise
                    time.sleep(delay)
                return function(*args, **kwargs)
            return run
        return wrapper

    @classmethod
    def exponential_backoff(cls, retries=10, delay=3, backoff=2, max_delay=60, catch_extra_error_codes=None):
        return cls._retry(_exponential_backoff(retries, delay, backoff, max_delay)[:retries - 1], catch_extra_error_codes)

    @classmethod
    def jittered_backoff(cls, retries=10, delay=3, max_delay=60, catch_extra_error_codes=None):
        return cls._retry(_full_jitter_backoff(retries, delay, max_delay)[:retries - 1], catch_extra_error_codes)

    @classmethod
    def backoff(cls, tries=10, delay=3, backoff=1.1, catch_extra_error_codes=None):
        return cls.exponential_backoff(tries, delay, backoff, None, catch_extra_error_codes)
