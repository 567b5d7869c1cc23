"""A VPC's DHCP: the address that the cloud chose for a network card, for ever (RFC 2131, as far as needed)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

IP_PKTINFO = 8  # of <linux/in.h>; Python has no name for it
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
_MAGIC = b"\x63\x82\x53\x63"
_FOR_EVER = 315_360_000  # ten years, as on ECS
_HEADER = 236


@dataclass(frozen=True)
class Lease:
    """What a network card is told: its address, its network's prefix length, its gateway and its name servers."""

    address: str
    prefix: int
    gateway: str
    servers: tuple[str, ...]


Leases = Callable[[str], Lease | None]


def prepare(one: socket.socket) -> None:
    """Have the socket tell on which card a packet came: the answer goes out there, before there is an address."""
    one.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


def respond(one: socket.socket, leases: Leases) -> None:
    """Read one packet and answer it, if it is from a card that has a lease."""
    packet, ancillary, _, _ = one.recvmsg(2048, 256)
    card = next((data[:4] for level, kind, data in ancillary if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO)), None)
    answer = reply(packet, leases)
    if answer and card:
        info = [(socket.IPPROTO_IP, IP_PKTINFO, card + bytes(8))]
        one.sendmsg([answer], info, 0, ("255.255.255.255", 68))


def reply(packet: bytes, leases: Leases) -> bytes:
    """The answer to a request, empty for none."""
    if len(packet) < _HEADER + 4 or packet[0] != 1 or packet[_HEADER : _HEADER + 4] != _MAGIC:
        return b""
    kind = _options(packet[_HEADER + 4 :]).get(53, b"\0")[0]
    lease = leases(packet[28:34].hex(":"))
    if lease is None or kind not in (DISCOVER, REQUEST):
        return b""
    gateway, mask = socket.inet_aton(lease.gateway), (0xFFFFFFFF << 32 - lease.prefix) & 0xFFFFFFFF
    options = (
        (53, bytes([OFFER if kind == DISCOVER else ACK])),
        (54, gateway),
        (51, struct.pack(">I", _FOR_EVER)),
        (1, struct.pack(">I", mask)),
        (3, gateway),
        (6, b"".join(map(socket.inet_aton, lease.servers))),
    )
    body = b"".join(bytes([number, len(value)]) + value for number, value in options) + b"\xff"
    head = struct.pack(">BBBB4sHH", 2, 1, 6, 0, packet[4:8], 0, 0x8000)
    addresses = bytes(4) + socket.inet_aton(lease.address) + gateway + bytes(4)
    return (head + addresses + packet[28:44] + bytes(192) + _MAGIC + body).ljust(300, b"\0")


def _options(data: bytes) -> dict[int, bytes]:
    found, place = {}, 0
    while place + 1 < len(data) and data[place] != 255:
        if data[place] == 0:
            place += 1
            continue
        size = data[place + 1]
        found[data[place]] = data[place + 2 : place + 2 + size]
        place += 2 + size
    return {number: value for number, value in found.items() if value}
