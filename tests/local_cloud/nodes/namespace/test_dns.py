"""The name server of a VPC: what it knows, and that it says no at once to all else."""

from __future__ import annotations

import socket
import struct

import pytest

from garret.local_cloud.nodes.namespace.dns import reply

NAMES = {"mirrors.cloud.aliyuncs.com": "100.100.64.2"}


def question(name: str, kind: int = 1) -> bytes:
    """Return a question for one name."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return b"\x12\x34" + struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


@pytest.mark.parametrize("name", ["mirrors.cloud.aliyuncs.com", "MIRRORS.cloud.Aliyuncs.com"])
def test_a_known_name_has_its_address(name: str) -> None:
    """The answer repeats the question and ends with the address, whatever the case of the letters."""
    answer = reply(question(name), NAMES)
    assert answer[:2] == b"\x12\x34"
    assert struct.unpack(">HHH", answer[2:8]) == (0x8180, 1, 1)
    assert answer.endswith(socket.inet_aton("100.100.64.2"))


def test_a_known_name_has_no_address_of_the_newer_kind() -> None:
    """AAAA of a known name is an empty answer, not a name that does not exist."""
    assert struct.unpack(">HHH", reply(question("mirrors.cloud.aliyuncs.com", 28), NAMES)[2:8]) == (0x8180, 1, 0)


def test_any_other_name_does_not_exist() -> None:
    """A node that asks for the internet hears no at once, instead of waiting."""
    assert struct.unpack(">HHH", reply(question("example.com"), NAMES)[2:8]) == (0x8183, 1, 0)


@pytest.mark.parametrize("wrong", [b"", b"\x12\x34", question("a")[:14], b"\x12\x34\x81\x80" + question("a")[4:]])
def test_what_is_no_question_has_no_answer(wrong: bytes) -> None:
    """Cut-off packets and answers of others are left alone."""
    assert reply(wrong, NAMES) == b""
