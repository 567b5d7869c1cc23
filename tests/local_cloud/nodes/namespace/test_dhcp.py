"""DHCP of a VPC: the bytes, as RFC 2131 has them."""

from __future__ import annotations

import socket

import pytest

from garret.local_cloud.nodes.namespace.dhcp import ACK, DISCOVER, OFFER, REQUEST, Lease, reply

MAC = "00:16:3e:00:00:11"
LEASE = Lease("192.168.1.10", 24, "192.168.1.253", ("100.100.2.136", "100.100.2.138"))


def packet(kind: int, mac: str = MAC) -> bytes:
    """Return what a card sends: BOOTREQUEST, its hardware address, and the message type after some padding."""
    head = b"\x01\x01\x06\x00" + b"abcd" + bytes(4) + bytes(16) + bytes.fromhex(mac.replace(":", "")) + bytes(10)
    return head + bytes(192) + b"\x63\x82\x53\x63" + b"\x00" + bytes([53, 1, kind]) + b"\xff"


def options(answer: bytes) -> dict[int, bytes]:
    """Return the options of an answer."""
    found, place = {}, 240
    while answer[place] != 255:
        size = answer[place + 1]
        found[answer[place]] = answer[place + 2 : place + 2 + size]
        place += 2 + size
    return found


@pytest.mark.parametrize(("asked", "told"), [(DISCOVER, OFFER), (REQUEST, ACK)])
def test_a_known_card_is_told_its_address_network_gateway_and_name_servers(asked: int, told: int) -> None:
    """Both halves of the handshake carry the same lease."""
    answer = reply(packet(asked), {MAC: LEASE}.get)
    assert answer[:4] == b"\x02\x01\x06\x00"
    assert answer[4:8] == b"abcd"
    assert answer[16:20] == socket.inet_aton("192.168.1.10")
    assert answer[28:34].hex(":") == MAC
    assert len(answer) >= 300
    found = options(answer)
    assert found[53] == bytes([told])
    assert found[1] == socket.inet_aton("255.255.255.0")
    assert found[3] == found[54] == socket.inet_aton("192.168.1.253")
    assert found[6] == socket.inet_aton("100.100.2.136") + socket.inet_aton("100.100.2.138")


@pytest.mark.parametrize("wrong", [packet(DISCOVER, "00:16:3e:99:99:99"), packet(7), packet(DISCOVER)[:200], b""])
def test_nobody_else_is_told_anything(wrong: bytes) -> None:
    """An unknown card, a release, and what is no packet get no answer."""
    assert reply(wrong, {MAC: LEASE}.get) == b""
