"""PNG files, written fast: each row as its difference to the one above, packed by zlib's run-length strategy.

About a fifth of the time of an encoder at its usual settings, for a few per cent more bytes; the pixels are the same.
https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FILTER_UP = 2


def encode_png(rgb: bytes, width: int, height: int, texts: Mapping[str, str] | None = None) -> bytes:
    """Return a PNG of height x width x 3 bytes of RGB, with text chunks before the pixels."""
    if len(rgb) != width * height * 3:
        raise ValueError(f"{len(rgb)} bytes are not {width} x {height} pixels")
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    pixels = packer.compress(_filtered(rgb, width, height)) + packer.flush()
    words = b"".join(_text_chunk(key, text) for key, text in (texts or {}).items())
    return SIGNATURE + _chunk(b"IHDR", header) + words + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _filtered(rgb: bytes, width: int, height: int) -> bytes:
    # Only a process that has a picture to write pays for numpy.
    import numpy

    rows = numpy.frombuffer(rgb, dtype=numpy.uint8).reshape(height, width * 3)
    filtered = numpy.empty((height, width * 3 + 1), dtype=numpy.uint8)
    filtered[:, 0] = _FILTER_UP
    filtered[0, 1:] = rows[0]
    numpy.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return filtered.tobytes()


def _text_chunk(key: str, text: str) -> bytes:
    try:
        return _chunk(b"tEXt", key.encode("latin-1") + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        # tEXt is Latin-1 by its definition; anything else goes into iTXt, uncompressed, of no named language.
        return _chunk(b"iTXt", key.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8"))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
