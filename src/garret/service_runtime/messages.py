"""What crosses between the API process and a worker, and nothing else: typed records, framed, never pickled.

A frame is two big-endian 32-bit lengths, a JSON header and raw bytes: `{"kind": "Made", …}`, its RGB.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

from garret.service_runtime.batch import Batch

LENGTHS = struct.Struct(">II")
MAXIMUM_HEADER = 8 << 20
MAXIMUM_PAYLOAD = 64 << 20


class FrameError(ValueError):
    """The other end sent what is no message."""


@dataclass(frozen=True)
class Run:
    """To the worker: make this batch."""

    number: int
    batch: Batch


@dataclass(frozen=True)
class Cancel:
    """To the worker: stop this batch at its next step."""

    number: int


@dataclass(frozen=True)
class Unload:
    """To the worker: nothing was asked for in a while; let the device's memory go."""


@dataclass(frozen=True)
class Status:
    """From the worker: the checkpoints it holds, the one used last at the end, and what its engine says of itself."""

    loaded: list[str]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Ready:
    """From the worker: it can take work; says on what device, and how long loading took in seconds."""

    device: str
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Stepped:
    """From the worker: so many steps of a batch are done, over all its stages; `stage` is the one it is in."""

    number: int
    done: int
    total: int
    stage: str = ""


@dataclass(frozen=True)
class Previewed:
    """From the worker: what a picture of a batch looks like so far, small, as rows of RGB bytes."""

    number: int
    index: int
    width: int
    height: int
    rgb: bytes


@dataclass(frozen=True)
class Made:
    """From the worker: one picture of a batch as rows of RGB bytes, and what the caller should know about it."""

    number: int
    index: int
    width: int
    height: int
    rgb: bytes
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Denoised:
    """From the worker: a batch is only decoded and sent from here on; the device takes the next one."""

    number: int


@dataclass(frozen=True)
class Done:
    """From the worker: a batch is over; `cancelled` when it was stopped."""

    number: int
    cancelled: bool = False


@dataclass(frozen=True)
class Failed:
    """From the worker: a batch failed; `error` is a name from the service's error tree."""

    number: int
    error: str
    message: str


Message = Run | Cancel | Unload | Ready | Status | Stepped | Previewed | Made | Denoised | Done | Failed
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (Run, Cancel, Unload, Ready, Status, Stepped, Previewed, Made, Denoised, Done, Failed)
}


def encode(message: Message) -> bytes:
    """Return the frame of a message."""
    fields: dict[str, Any] = dict(vars(message))
    payload: bytes = fields.pop("rgb", b"")
    if isinstance(message, Run):
        fields["batch"] = message.batch.to_dict()
    header = json.dumps({"kind": type(message).__name__, **fields}).encode()
    return LENGTHS.pack(len(header), len(payload)) + header + payload


def check_lengths(prefix: bytes) -> tuple[int, int]:
    """Return the lengths of header and payload in bytes, refusing what no message has."""
    header, payload = LENGTHS.unpack(prefix)
    if header > MAXIMUM_HEADER or payload > MAXIMUM_PAYLOAD:
        raise FrameError(f"a frame of {header} + {payload} bytes is no message")
    return header, payload


def decode(header: bytes, payload: bytes) -> Message:
    """Return the message of a frame."""
    try:
        fields = json.loads(header)
        kind = _KINDS[fields.pop("kind")]
        if kind in (Made, Previewed):
            fields["rgb"] = payload
        if kind is Run:
            fields["batch"] = Batch.from_dict(fields["batch"])
        message: Message = kind(**fields)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FrameError(f"not a message: {error}") from error
    return message
