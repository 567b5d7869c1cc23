"""EXIF with nothing in it but a comment, as A1111 writes the words of JPEG and WebP files and looks for them."""

from __future__ import annotations

import struct

LONGEST_IN_JPEG = 65_533
"""The most bytes of one APP1 segment, EXIF's six for its name included."""
_NAME = b"Exif\0\0"
_EXIF_POINTER, _USER_COMMENT = 0x8769, 0x9286
_LONG, _UNDEFINED = 4, 7
_UNICODE = b"UNICODE\0"


def user_comment(text: str) -> bytes:
    """Return EXIF data of one comment, UTF-16 in the file's own big-endian order (CIPA DC-008, 4.6.5)."""
    comment = _UNICODE + text.encode("utf-16-be")
    first, second = 8, 26
    return b"".join((
        _NAME,
        b"MM\0*" + struct.pack(">I", first),
        struct.pack(">HHHIII", 1, _EXIF_POINTER, _LONG, 1, second, 0),
        struct.pack(">HHHIII", 1, _USER_COMMENT, _UNDEFINED, len(comment), second + 18, 0),
        comment,
    ))  # fmt: skip
