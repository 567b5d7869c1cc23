"""Which addresses count as public, in every spelling that hides a private one."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from garret.service_runtime.addresses import is_public

PRIVATE_V4 = ["100.100.100.200", "169.254.169.254", "127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "0.0.0.0"]  # noqa: S104


def spellings(address: str) -> list[str]:
    """Return the IPv6 addresses that lead to an IPv4 one."""
    number = int(ipaddress.IPv4Address(address))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    inverted = number ^ 0xFFFF_FFFF
    return [
        f"::ffff:{address}",
        f"::{address}",
        f"64:ff9b::{high}:{low}",
        f"64:ff9b:1::{high}:{low}",
        f"2002:{high}:{low}::1",
        f"2001:0:4136:e378:8000:63bf:{inverted >> 16:x}:{inverted & 0xFFFF:x}",
        f"2a00:1450:4001:81b:0:5efe:{high}:{low}",
    ]


@pytest.mark.parametrize("address", PRIVATE_V4)
def test_a_private_address_is_private_in_every_spelling(address: str) -> None:
    """Among them the cloud's metadata service, which Python does not call private."""
    assert not is_public(address)
    assert [spelt for spelt in spellings(address) if is_public(spelt)] == []


@pytest.mark.parametrize(
    "address",
    ["::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "224.0.0.1", "240.0.0.1",
     "255.255.255.255", "2001:db8::1", "192.0.2.1", "198.18.0.1", "", "localhost", "0x7f000001", "2130706433", "127.1",
     "1.2.3.4/8"],
)  # fmt: skip
def test_what_is_special_or_no_address_is_not_public(address: str) -> None:
    """Multicast, reserved, documentation; names are resolved before, never here."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "47.96.1.1", "2400:3200::1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_public(address: str) -> None:
    """Also through a NAT64 gateway, where the carried address decides."""
    assert is_public(address)


@given(some.ip_addresses(v=4))
def test_no_spelling_is_more_public_than_the_address(address: ipaddress.IPv4Address) -> None:
    """Whatever an IPv6 address carries counts."""
    if not is_public(str(address)):
        assert not any(is_public(spelt) for spelt in spellings(str(address)))
