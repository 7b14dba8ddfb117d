# Helpers of modules that talk to web services: options, pauses, new tries.
from __future__ import absolute_import

import functools
import itertools
import random
import time


def _spec(own, spec):
    return dict(own, **(spec or {}))


def rate_limit_argument_spec(spec=None):
    return _spec(dict(rate=dict(type='int'), rate_limit=dict(type='int')), spec)


def retry_argument_spec(spec=None):
    return _spec(dict(retries=dict(type='int'), retry_pause=dict(type='float', default=1)), spec)


def basic_auth_argument_spec(spec=None):
    return _spec(dict(
        api_username=dict(type='str'), api_password=dict(type='str', no_log=True), api_url=dict(type='str'),
        validate_certs=dict(type='bool', default=True)), spec)


def rate_limit(rate=None, rate_limit=None):
    """At most `rate` calls in `rate_limit` seconds."""
    pause = float(rate_limit) / float(rate) if rate is not None and rate_limit is not None else None
    clock = getattr(time, 'monotonic', time.time)

    def wrapper(function):
        last = [0.0]

        def ratelimited(*args, **kwargs):
            if pause is not None:
                left = pause - (clock() - last[0])
                if last[0] and left > 0:
                    time.sleep(left)
                last[0] = clock()
            return function(*args, **kwargs)
        return ratelimited
    return wrapper


def retry(retries=None, retry_pause=1):
    """Calls until it gives something true, `retries` times with a pause between."""
    def wrapper(function):
        def retried(*args, **kwargs):
            if retries is None:
                return function(*args, **kwargs)
            for tried in range(1, retries + 1):
                # The last try counts for nothing: the limit is reached with it.
                if tried >= retries:
                    break
                try:
                    found = function(*args, **kwargs)
                except Exception:
                    found = None
                if found:
                    return found
                time.sleep(retry_pause)
            raise Exception('Retry limit exceeded: %d' % retries)
        return retried
    return wrapper


def generate_jittered_backoff(retries=10, delay_base=3, delay_threshold=60):
    """Pauses that grow, each a random part of its limit."""
    for tried in range(retries):
        yield random.randint(0, min(delay_threshold, delay_base * 2 ** tried))


def retry_never(exception_or_result):
    return False


def retry_with_delays_and_condition(backoff_iterator, should_retry_error=None):
    """Calls again after each of the pauses as long as `should_retry_error` says so of what was raised."""
    again = should_retry_error or retry_never

    def emit(function):
        @functools.wraps(function)
        def run(*args, **kwargs):
            call = functools.partial(function, *args, **kwargs)
            for delay in itertools.chain(backoff_iterator):
                try:
                    return call()
                except Exception as error:
                    if not again(error):
                        raise
                time.sleep(delay)
            return call()
        return run
    return emit
