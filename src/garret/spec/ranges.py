"""IPv4 ranges: which ones a VPC, a VSwitch and a caller may have; every text comes back as the network it means."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

WHOLE_INTERNET = "0.0.0.0/0"
WIDEST_PREFIX = 8
"""Ranges wider than this count as open to the world."""

_PRIVATE = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def network(text: str) -> ipaddress.IPv4Network:
    """The range that a text means.

    Raises:
        ValueError: says what is wrong with it, and what may be meant.
    """
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        if "has host bits set" in str(error):
            meant = ipaddress.ip_interface(text).network
            raise ValueError(f"{text!r} has bits set behind its mask; {meant} is meant?") from None
        raise ValueError(f"{text!r} is not an IPv4 range such as 192.168.0.0/16") from None


def vpc_range(text: str) -> str:
    """The private range of a VPC."""
    if not 8 <= network(text).prefixlen <= 28:
        raise ValueError(f"{text}: the mask of a VPC is between /8 and /28")
    return _private(text)


def vswitch_range(text: str) -> str:
    """The private range of a VSwitch."""
    if not 16 <= network(text).prefixlen <= 29:
        raise ValueError(f"{text}: the mask of a VSwitch is between /16 and /29")
    return _private(text)


def caller_range(text: str) -> str:
    """Who may reach the service; a single address is taken as its /32."""
    return str(network(text))


def widest(ranges: Iterable[str]) -> ipaddress.IPv4Network | None:
    """The widest of some ranges, neighbours joined: 0.0.0.0/1 and 128.0.0.0/1 together are the whole internet, too."""
    joined = ipaddress.collapse_addresses(map(network, ranges))
    return min(joined, key=lambda one: one.prefixlen, default=None)


def _private(text: str) -> str:
    wanted = network(text)
    if not any(wanted.subnet_of(private) for private in _PRIVATE):
        raise ValueError(f"{text} is not in a private range (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16)")
    return str(wanted)
