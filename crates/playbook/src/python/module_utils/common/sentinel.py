# A value that is no other.


class Sentinel(object):
    def __new__(cls):
        return cls
