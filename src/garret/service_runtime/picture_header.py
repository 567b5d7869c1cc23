"""What a PNG, JPEG or WebP file says of itself, read within bounds: no pixel is decoded.

Sources: PNG (https://www.w3.org/TR/png-3/, 5), JPEG (ITU-T T.81, annex B), WebP (RFC 9649, 2).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

MAXIMUM_BYTES = 20_000_000
MAXIMUM_PIXELS = 64_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_STARTS = (_PNG, b"\xff\xd8\xff", b"RIFF")
# Start-of-frame markers; C4, C8 and CC among them mean other things.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class NotAPicture(ValueError):
    """The file is no picture that a page shows; the text says why."""


@dataclass(frozen=True)
class Picture:
    """A picture's size in pixels and the suffix of its format."""

    suffix: str
    width: int
    height: int


def refuse_no_picture(start: bytes) -> None:
    """Raise NotAPicture when a file's first bytes are those of something else."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"<":
        raise NotAPicture("is a web page (HTML) or SVG, not a picture")
    if text[:1] in (b"{", b"["):
        raise NotAPicture("is JSON text, not a picture: most likely an error message of the server")
    if not start.startswith(_STARTS) or (start[:4] == b"RIFF" and start[8:12] != b"WEBP"):
        raise NotAPicture("is no PNG, JPEG or WebP picture")


def read_picture(path: Path) -> Picture:
    """Read a picture's header and see that the file goes on to its end."""
    if path.stat().st_size > MAXIMUM_BYTES:
        raise NotAPicture(f"is larger than {MAXIMUM_BYTES // 1_000_000} MB")
    return picture_in(path.read_bytes())


def picture_in(data: bytes) -> Picture:
    """Read the header of a picture's file, and see that the file goes on to its end."""
    refuse_no_picture(data[:64])
    try:
        picture = _png(data) if data.startswith(_PNG) else _webp(data) if data.startswith(b"RIFF") else _jpeg(data)
    except (struct.error, IndexError):
        raise NotAPicture("ends inside its header") from None
    if not (picture.width and picture.height) or picture.width * picture.height > MAXIMUM_PIXELS:
        raise NotAPicture(f"says it has {picture.width} by {picture.height} pixels")
    return picture


def _png(data: bytes) -> Picture:
    length, kind, width, height = struct.unpack_from(">I4sII", data, len(_PNG))
    if kind != b"IHDR" or length != 13:
        raise NotAPicture("is a PNG picture without a header")
    at, seen = len(_PNG), set()
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        seen.add(kind)
        at += 12 + length
        if at > len(data):
            raise NotAPicture("is a PNG picture that is not whole")
    if b"IDAT" not in seen:
        raise NotAPicture("is a PNG picture without pixels")
    return Picture(".png", width, height)


def _jpeg(data: bytes) -> Picture:
    at = 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0x00, 0xD8, 0xD9, 0xDA):
            raise NotAPicture("is a JPEG picture without a frame")
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + max(length, 2)
    if b"\xff\xd9" not in data[-1024:]:
        raise NotAPicture("is a JPEG picture that is not whole")
    return Picture(".jpg", width, height)


def _webp(data: bytes) -> Picture:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise NotAPicture("is a WebP picture that is not whole")
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise NotAPicture("is a WebP picture without a frame")
    return Picture(".webp", width, height)
