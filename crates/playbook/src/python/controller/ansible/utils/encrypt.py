"""Passwords."""
import random
import string

from imgbuild import ask_value, pack

DEFAULT_PASSWORD_LENGTH = 20


def random_password(length=DEFAULT_PASSWORD_LENGTH, chars=string.ascii_letters + string.digits + ".,:-_", seed=None):
    choose = random.SystemRandom() if seed is None else random.Random(seed)
    return "".join(choose.choice(chars) for _ in range(length))


def random_salt(length=8):
    return random_password(length, string.ascii_letters + string.digits + "./")


def do_encrypt(result, encrypt, salt_size=None, salt=None, ident=None, rounds=None):
    given = {"hashtype": encrypt, "salt": salt, "salt_size": salt_size, "ident": ident, "rounds": rounds}
    kwargs = {name: value for name, value in given.items() if value is not None}
    return ask_value({"filter": "password_hash", "values": [pack(result)], "kwargs": pack(kwargs)})


passlib_or_crypt = do_encrypt
