# Masks, networks and addresses.
from __future__ import absolute_import

import re
from socket import inet_aton, inet_ntoa
from struct import pack, unpack

VALID_MASKS = [256 - 2 ** bits for bits in range(9)]


def is_netmask(val):
    parts = str(val).split('.')
    try:
        return len(parts) == 4 and all(int(part) in VALID_MASKS for part in parts)
    except ValueError:
        return False


def is_masklen(val):
    try:
        return 0 <= int(val) <= 32
    except ValueError:
        return False


def to_netmask(val):
    if not is_masklen(val):
        raise ValueError('invalid value for masklen')
    return inet_ntoa(pack('>I', 0xffffffff << 32 - int(val) & 0xffffffff))


def to_bits(val):
    return ''.join('{0:08b}'.format(int(part)) for part in val.split('.'))


def to_masklen(val):
    if not is_netmask(val):
        raise ValueError('invalid value for netmask: %s' % val)
    return to_bits(val).count('1')


def to_subnet(addr, mask, dotted_notation=False):
    length = int(mask) if is_masklen(mask) else to_masklen(mask)
    netmask = to_netmask(length)
    network = inet_ntoa(pack('>I', unpack('>I', inet_aton(addr))[0] & unpack('>I', inet_aton(netmask))[0]))
    return '%s %s' % (network, netmask) if dotted_notation else '%s/%s' % (network, length)


def _ipv6_words(addr, wanted):
    """The first groups of an address, up to those that "::" leaves out."""
    words = addr.split(':')[:wanted]
    return ':'.join(words[:words.index('')] if '' in words else words)


def to_ipv6_subnet(addr):
    """The first 64 bits of an address, as a network."""
    return _ipv6_words(addr, 4) + '::'


def to_ipv6_network(addr):
    """The first 48 bits of an address, as a network."""
    return _ipv6_words(addr, 3) + '::'


def is_mac(mac_address):
    return bool(re.match('^([0-9a-f]{2}[-:]){5}[0-9a-f]{2}$', mac_address, re.IGNORECASE))
