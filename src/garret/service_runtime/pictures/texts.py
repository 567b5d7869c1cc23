"""The texts that a PNG, JPEG or WebP file carries beside its pixels, read within bounds: no pixel is decoded.

Sources: PNG (https://www.w3.org/TR/png-3/, 11.3.3), JPEG (ITU-T T.81, annex B), WebP (RFC 9649, 2.7), EXIF (CIPA
DC-008, 4.6).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice

from garret.service_runtime.picture_header import jpeg_segments, png_chunks, refuse_no_picture, webp_chunks

PARAMETERS, COMMENT, XMP = "parameters", "exif comment", "xmp"
"""The keys of A1111's text in a PNG, of the same text in EXIF, and of an XMP packet."""
LONGEST = 1_000_000
"""More of one text is not read, in characters; the largest that A1111 writes are some thousand."""
LONGEST_IN_ALL = 4_000_000
MOST = 100
"""So many of a file's parts that may hold texts are looked at."""
_MOST_ENTRIES = 1000
_LONGEST_KEY = 79
_PNG, _APP1 = b"\x89PNG\r\n\x1a\n", 0xE1
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_EXIF_POINTER, _USER_COMMENT = 0x8769, 0x9286
_ENCODINGS = {b"ASCII\0\0\0": "ascii", b"UNICODE\0": "utf-16"}


def texts_of(data: bytes) -> dict[str, str]:
    """Return a file's texts by their keys: those of a PNG's own, `exif comment` and `xmp`; a broken one is left out.

    Raises:
        NotAPicture: it is none of the three formats, or has far too many parts.
    """
    refuse_no_picture(data[:64])
    kind = _of_png if data.startswith(_PNG) else _of_webp if data.startswith(b"RIFF") else _of_jpeg
    found: dict[str, str] = {}
    room = LONGEST_IN_ALL
    with suppress(struct.error, IndexError):
        for key, text in islice(kind(data), MOST):
            found.setdefault(key, text[: min(LONGEST, room)])
            room -= len(text)
            if room <= 0:
                break
    return found


def infotext_of(texts: Mapping[str, str]) -> str:
    """Return the text that tells what a picture was made from, "" where there is none."""
    return texts.get(PARAMETERS) or texts.get(COMMENT) or ""


def _of_png(data: bytes) -> Iterator[tuple[str, str]]:
    # Counted whether they can be read or not: unpacking a broken one costs as much.
    ours = (one for one in png_chunks(data) if one[0] in _TEXTS or one[0] == b"eXIf")
    for kind, begin, end in islice(ours, MOST):
        yield from _of_chunk(kind, data[begin:end])


def _of_chunk(kind: bytes, content: bytes) -> Iterator[tuple[str, str]]:
    if kind == b"eXIf":
        yield from _of_exif(content)
        return
    key, _, rest = content.partition(b"\0")
    if len(key) <= _LONGEST_KEY:
        with suppress(UnicodeDecodeError, zlib.error, IndexError):
            yield key.decode("latin-1"), _TEXTS[kind](rest)


def _compressed(rest: bytes) -> str:
    return _unpacked(rest[1:]).decode("latin-1")


def _international(rest: bytes) -> str:
    """Leave out the text's language and its keyword in that language."""
    content = rest[2:].split(b"\0", 2)[-1]
    return (_unpacked(content) if rest[0] else content).decode("utf-8")


def _unpacked(content: bytes) -> bytes:
    """Unpack no more than is read: a text of a kilobyte may unpack to gigabytes."""
    return zlib.decompressobj().decompress(content, LONGEST)


_TEXTS = {b"tEXt": lambda rest: rest.decode("latin-1"), b"zTXt": _compressed, b"iTXt": _international}


def _of_jpeg(data: bytes) -> Iterator[tuple[str, str]]:
    ours = (data[begin:end] for marker, begin, end in jpeg_segments(data) if marker == _APP1)
    for segment in islice(ours, MOST):
        if segment.startswith(_EXIF):
            yield from _of_exif(segment[len(_EXIF) :])
        elif segment.startswith(_XMP):
            yield XMP, segment[len(_XMP) :].decode("utf-8", "replace")


def _of_webp(data: bytes) -> Iterator[tuple[str, str]]:
    ours = (one for one in webp_chunks(data) if one[0] in (b"EXIF", b"XMP "))
    for kind, begin, end in islice(ours, MOST):
        if kind == b"EXIF":
            yield from _of_exif(data[begin:end].removeprefix(_EXIF))
        else:
            yield XMP, data[begin:end].decode("utf-8", "replace")


def _of_exif(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the comment of EXIF data, if it has one."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return
    with suppress(struct.error, UnicodeDecodeError):
        (first,) = struct.unpack_from(order + "I", data, 4)
        _, inner = _entry(data, order, first, _EXIF_POINTER)
        size, place = _entry(data, order, inner, _USER_COMMENT)
        comment = data[place : place + size]
        encoding = _ENCODINGS.get(comment[:8], "utf-8")
        # Without a mark of its own, two-byte text has the order of its file; A1111's own is always big-endian.
        named = _two_bytes(comment[8:], order) if encoding == "utf-16" else encoding
        text = comment[8:].decode(named).strip("\0")
        if text:
            yield COMMENT, text


def _two_bytes(text: bytes, order: str) -> str:
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    # Words have far more characters of the first 256 than others: their high bytes are 0.
    sample = text[:200]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if even == odd:
        return "utf-16-le" if order == "<" else "utf-16-be"
    return "utf-16-be" if even > odd else "utf-16-le"


def _entry(data: bytes, order: str, directory: int, wanted: int) -> tuple[int, int]:
    """Return the count and the value of a directory's entry; what is not there is a place past all data."""
    (count,) = struct.unpack_from(order + "H", data, directory)
    for number in range(min(count, _MOST_ENTRIES)):
        tag, _, size, value = struct.unpack_from(order + "HHII", data, directory + 2 + 12 * number)
        if tag == wanted:
            return size, value
    return 0, len(data)
