"""What the API process and a worker say to each other comes over whole, and garbage is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from garret.service_runtime.asked import Lora, Mask, Start
from garret.service_runtime.batch import Picture, Used, UsedLora
from garret.service_runtime.messages import (
    LENGTHS,
    Cancel,
    Denoised,
    Done,
    Failed,
    FrameError,
    Made,
    Message,
    Previewed,
    Ready,
    Run,
    Status,
    Stepped,
    Unload,
    check_lengths,
    decode,
    encode,
)
from tests.service_runtime.asking import batch_of

BATCH = batch_of(
    "/demo",
    Picture("ä", "", 1),
    Picture("b", "c", 2**63 - 1),
    start=Start("0" * 64, mask=Mask("1" * 64)),
    loras=(Lora("x", 0.5),),
    used=Used("/demo", loras=(UsedLora("/x", 0.5),), embeddings=(("w", "/w"),)),
)


def through(message: Message) -> Message:
    """Send a message through its frame."""
    frame = encode(message)
    header, payload = check_lengths(frame[: LENGTHS.size])
    rest = frame[LENGTHS.size :]
    assert len(rest) == header + payload
    return decode(rest[:header], rest[header:])


@pytest.mark.parametrize(
    "message",
    [
        Run(1, BATCH),
        Cancel(1),
        Ready("cpu", 0.5),
        Stepped(1, 2, 3, "hires"),
        Previewed(1, 0, 1, 1, b"\0\1\2"),
        Status(["/demo"], {"device": "cpu", "memory_used": 1}),
        Unload(),
        Denoised(1),
        Made(1, 0, 2, 1, b"\0\1\2\3\4\5"),
        Made(1, 0, 1, 1, b"\0\1\2", {"Prompt cut": "to 75 tokens"}),
        Done(1, True),
        Failed(1, "OutOfMemory", "full"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_comes_over_whole(message: Message) -> None:
    """Each kind, with its payload."""
    assert through(message) == message


@given(some.binary(max_size=200), some.binary(max_size=20))
def test_garbage_is_a_frame_error(header: bytes, payload: bytes) -> None:
    """Never another exception: the process at the other end may be broken in any way."""
    with pytest.raises(FrameError):
        decode(header, payload)


@pytest.mark.parametrize(
    "header", [b'{"kind":"Done"}', b'{"kind":"Eval","code":"1"}', b'{"kind":"Done","number":1,"x":2}']
)
def test_a_message_of_the_wrong_shape_is_refused(header: bytes) -> None:
    """Unknown kinds and fields are no messages."""
    with pytest.raises(FrameError):
        decode(header, b"")


def test_a_frame_without_end_is_refused() -> None:
    """Before anything is read into memory."""
    with pytest.raises(FrameError):
        check_lengths(b"\xff" * 8)
