"""PNG files, written fast: a filter by numpy, packed by ISA-L, whose deflate works with the processor's vector units.

Some 25 to 50 times as fast as an encoder at its usual settings, for an eighth more bytes; the pixels are the same.
https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

    Bytes = numpy.ndarray[Any, numpy.dtype[numpy.uint8]]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SUB, _UP, _AVERAGE = 1, 2, 3
_LEVEL = 1
# Of so many places in a picture a few rows are tried with both filters.
_PLACES, _ROWS = 16, 3


def encode_png(rgb: bytes, width: int, height: int, texts: Mapping[str, str] | None = None) -> bytes:
    """Return a PNG of height x width x 3 bytes of RGB, with text chunks before the pixels."""
    if len(rgb) != width * height * 3:
        raise ValueError(f"{len(rgb)} bytes are not {width} x {height} pixels")
    # Only a process that has a picture to write pays for these.
    import numpy
    from isal import isal_zlib

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = numpy.frombuffer(rgb, dtype=numpy.uint8).reshape(height, width * 3)
    pixels = isal_zlib.compress(_filtered(rows), _LEVEL)
    words = [part for key, text in (texts or {}).items() for part in _text_chunk(key, text)]
    return b"".join([SIGNATURE, *_chunk(b"IHDR", header), *words, *_chunk(b"IDAT", pixels), *_chunk(b"IEND", b"")])


def _filtered(rows: Bytes) -> Bytes:
    """Return the rows as differences, each after its filter's number: the filter that suits this picture better.

    What is like a photograph packs better by the average of its neighbours, what is flat by the row above.
    """
    import numpy
    from isal import isal_zlib

    height = len(rows)
    if height < _PLACES * _ROWS:
        return _up(rows)
    step = height // _PLACES
    some = numpy.concatenate([rows[at : at + _ROWS] for at in range(0, height - _ROWS + 1, step)])
    sizes = [len(isal_zlib.compress(make(some), _LEVEL)) for make in (_up, _average)]
    return _up(rows) if sizes[0] <= sizes[1] else _average(rows)


def _up(rows: Bytes) -> Bytes:
    import numpy

    filtered = numpy.empty((rows.shape[0], rows.shape[1] + 1), dtype=numpy.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    numpy.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return filtered


def _average(rows: Bytes) -> Bytes:
    import numpy

    filtered = numpy.empty((rows.shape[0], rows.shape[1] + 1), dtype=numpy.uint8)
    # Above the first row there is nothing.
    filtered[0, 0] = _SUB
    filtered[0, 1:4] = rows[0, :3]
    numpy.subtract(rows[0, 3:], rows[0, :-3], out=filtered[0, 4:])
    filtered[1:, 0] = _AVERAGE
    left, above = rows[1:, :-3], rows[:-1, 3:]
    # Half of the sum, rounded down, without a ninth bit: what both have, and half of what one of them has.
    mean = numpy.bitwise_xor(left, above)
    mean >>= 1
    mean += left & above
    numpy.subtract(rows[1:, 3:], mean, out=filtered[1:, 4:])
    numpy.subtract(rows[1:, :3], rows[:-1, :3] >> 1, out=filtered[1:, 1:4])
    return filtered


def _text_chunk(key: str, text: str) -> Iterator[bytes]:
    try:
        return _chunk(b"tEXt", key.encode("latin-1") + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        # tEXt is Latin-1 by its definition; anything else goes into iTXt, uncompressed, of no named language.
        return _chunk(b"iTXt", key.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8"))


def _chunk(kind: bytes, data: bytes) -> Iterator[bytes]:
    from isal import isal_zlib

    yield struct.pack(">I", len(data)) + kind
    yield data
    yield struct.pack(">I", isal_zlib.crc32(data, isal_zlib.crc32(kind)))
