"""The process's own heap, told to keep what pictures come and go in: glibc else asks the kernel for each one anew.

A picture passes through a dozen buffers of a megabyte or more, and memory fresh from the kernel comes page by page,
which took a fifth of the time from the pixels to the reply. Whatever is larger than a picture is given back at once.
"""

from __future__ import annotations

import contextlib
import ctypes

# malloc.h of glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
KEPT_BYTES = 64 << 20
"""The most unused memory at the end of each heap that is kept."""
_LARGEST_KEPT_BUFFER = 16 << 20
_HEAPS = 4


def keep_heap() -> None:
    """Keep memory for the next picture; where the C library is another one, nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        for option, value in (
            (_MMAP_THRESHOLD, _LARGEST_KEPT_BUFFER),
            (_TRIM_THRESHOLD, KEPT_BYTES),
            (_ARENA_MAX, _HEAPS),
        ):
            library.mallopt(option, value)
