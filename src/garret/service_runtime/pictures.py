"""What a picture file says of itself, read within bounds: PNG, JPEG and WebP, by their bytes and never by their names.

Formats: PNG (https://www.w3.org/TR/png), JPEG (ITU-T T.81, annex B), WebP (RFC 9649).
"""

from __future__ import annotations

import struct
from pathlib import Path

MAXIMUM_BYTES = 20_000_000
MAXIMUM_SIDE = 16_384
_PNG = b"\x89PNG\r\n\x1a\n"
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


class NotAPicture(ValueError):
    """The file is no picture that a browser shows; the text says what is wrong with it."""


def picture_suffix(path: Path) -> str:
    """Return ".png", ".jpg" or ".webp" for a whole picture of at most 20 MB.

    Raises:
        NotAPicture: it is none of these, or broken off.
    """
    size = path.stat().st_size
    if size > MAXIMUM_BYTES:
        raise NotAPicture(f"has {size} bytes, and a preview at most {MAXIMUM_BYTES}")
    data = path.read_bytes()
    for read, suffix in ((_png, ".png"), (_jpeg, ".jpg"), (_webp, ".webp")):
        try:
            sides = read(data)
        except (struct.error, IndexError):
            raise NotAPicture(f"begins like a {suffix[1:].upper()} picture and breaks off") from None
        if sides is None:
            continue
        if not all(1 <= side <= MAXIMUM_SIDE for side in sides):
            raise NotAPicture(f"is a picture of {sides[0]} x {sides[1]} pixels, and {MAXIMUM_SIDE} are the most")
        return suffix
    raise NotAPicture("is not a PNG, JPEG or WebP picture")


def _png(data: bytes) -> tuple[int, int] | None:
    if not data.startswith(_PNG):
        return None
    at, sides = len(_PNG), (0, 0)
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IHDR":
            sides = struct.unpack_from(">II", data, at + 8)
        at += 12 + length
        if kind == b"IEND":
            struct.unpack_from(">I", data, at - 4)
            return sides


def _jpeg(data: bytes) -> tuple[int, int] | None:
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1
        if data[at] != 0xFF:
            raise NotAPicture("begins like a JPEG picture and is broken")
        kind, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if kind in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            if b"\xff\xd9" not in data[-64:]:
                raise NotAPicture("begins like a JPEG picture and breaks off")
            return width, height
        at += 2 + length


def _webp(data: bytes) -> tuple[int, int] | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    (length,) = struct.unpack_from("<I", data, 4)
    if len(data) < length + 8:
        raise NotAPicture("begins like a WebP picture and breaks off")
    kind = data[12:16]
    if kind == b"VP8X":
        return _three(data, 24) + 1, _three(data, 27) + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise NotAPicture("is a WebP file without a picture")


def _three(data: bytes, at: int) -> int:
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16
