# Moments in UTC, with their time zone (in Python 2, which has none, without it).
from __future__ import absolute_import

import datetime as _datetime

UTC = getattr(getattr(_datetime, 'timezone', None), 'utc', None)


def utcfromtimestamp(timestamp):
    return _datetime.datetime.fromtimestamp(timestamp, UTC) if UTC else _datetime.datetime.utcfromtimestamp(timestamp)


def utcnow():
    return _datetime.datetime.now(UTC) if UTC else _datetime.datetime.utcnow()
