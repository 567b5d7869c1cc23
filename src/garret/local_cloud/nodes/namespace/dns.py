"""A VPC's name server: the few names that the local cloud answers for; any other does not exist, and that at once."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping

A, ANY = 1, 255
_FOUND, _NO_SUCH_NAME = 0x8180, 0x8183


def respond(one: socket.socket, names: Mapping[str, str]) -> None:
    """Read one question and answer it."""
    question, peer = one.recvfrom(1500)
    answer = reply(question, names)
    if answer:
        one.sendto(answer, peer)


def reply(question: bytes, names: Mapping[str, str]) -> bytes:
    """The answer to a question, empty when it is none."""
    if len(question) < 17 or question[2] & 0x80:
        return b""
    labels, place = [], 12
    while place < len(question) and question[place]:
        size = question[place]
        labels.append(question[place + 1 : place + 1 + size].decode("ascii", "replace"))
        place += size + 1
    end = place + 5
    if len(question) < end:
        return b""
    kind = struct.unpack(">H", question[place + 1 : place + 3])[0]
    address = names.get(".".join(labels).lower())
    record = b""
    if address and kind in (A, ANY):
        record = b"\xc0\x0c" + struct.pack(">HHIH", A, 1, 60, 4) + socket.inet_aton(address)
    flags = _FOUND if address else _NO_SUCH_NAME
    counts = struct.pack(">HHHHH", flags, 1, 1 if record else 0, 0, 0)
    return question[:2] + counts + question[12:end] + record
