"""What a PNG, JPEG or WebP file says of itself, read within bounds: no pixel is decoded.

Sources: PNG (https://www.w3.org/TR/png-3/, 5), JPEG (ITU-T T.81, annex B), WebP (RFC 9649, 2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MAXIMUM_BYTES = 20_000_000
MAXIMUM_PIXELS = 64_000_000
MOST_PARTS = 20_000
"""A camera's file has some thousand; one of headers alone has millions, and takes a decoder a quarter of a minute."""
_PNG = b"\x89PNG\r\n\x1a\n"
_SOI = b"\xff\xd8"
_JPEG = _SOI + b"\xff"
_STARTS = (_PNG, _JPEG, b"RIFF")
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


def refuse_many_parts(data: bytes) -> None:
    """Raise NotAPicture when a file is more headers than picture: decoders walk through all of them, one by one."""
    parts = png_chunks(data) if data.startswith(_PNG) else jpeg_segments(data) if data.startswith(_JPEG) else ()
    with suppress(struct.error, IndexError):  # what is not whole is its decoder's to refuse
        for _ in parts:
            pass


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, begin and end of a PNG's chunks, the last of which may go on past the file.

    Raises:
        NotAPicture: there are more than `MOST_PARTS`; so do the others.
    """
    at = len(_PNG)
    for _ in range(MOST_PARTS):
        if at + 12 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at + 8, at + 8 + length
        if kind == b"IEND":
            return
        at += 12 + length
    raise _too_many()


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, begin and end of a JPEG's segments before its first scan; IndexError where it ends earlier."""
    at = len(_SOI)
    for _ in range(MOST_PARTS):
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0x00, 0xD8, 0xD9, 0xDA):
            return
        if marker == 0xFF:  # a byte that fills
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        yield marker, at + 4, at + 2 + length
        at += 2 + max(length, 2)
    raise _too_many()


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, begin and end of a WebP's chunks."""
    at = 12
    for _ in range(MOST_PARTS):
        if at + 8 > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind, at + 8, at + 8 + length
        at += 8 + length + length % 2
    raise _too_many()


def _too_many() -> NotAPicture:
    return NotAPicture(f"has more than {MOST_PARTS} parts")


def _png(data: bytes) -> Picture:
    length, kind, width, height = struct.unpack_from(">I4sII", data, len(_PNG))
    if kind != b"IHDR" or length != 13:
        raise NotAPicture("is a PNG picture without a header")
    kinds = {kind for kind, _, end in png_chunks(data) if end + 4 <= len(data)}
    if b"IEND" not in kinds:
        raise NotAPicture("is a PNG picture that is not whole")
    if b"IDAT" not in kinds:
        raise NotAPicture("is a PNG picture without pixels")
    return Picture(".png", width, height)


def _jpeg(data: bytes) -> Picture:
    begin = next((begin for marker, begin, _ in jpeg_segments(data) if marker in _FRAMES), None)
    if begin is None:
        raise NotAPicture("is a JPEG picture without a frame")
    height, width = struct.unpack_from(">HH", data, begin + 1)
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
