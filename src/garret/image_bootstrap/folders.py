"""Folders that root enters although the service's user may change what lies above them: no link leads into one.

Who owns a folder may put a link in the place of what lies in it, also between two looks of root's. So each folder is
opened from the handle of the one before, and what is set or written is set and written through such a handle.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from garret.image_bootstrap.first_stage import StepFailed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def entered(root: Path, absolute: str, mode: int = 0o755) -> Iterator[int]:
    """Have a folder of the node, and give a handle of it; one that is made here gets this mode.

    Only the disk's first level, which is root's alone, may be a link.

    Raises:
        StepFailed: a link, or something else that is no folder, lies on the way; names it.
    """
    first, *names = absolute.strip("/").split("/")
    (root / first).mkdir(parents=True, exist_ok=True)
    handle, shown = os.open(root / first, _FOLDER), f"/{first}"
    try:
        for count, name in enumerate(names, 1):
            shown += f"/{name}"
            inner = _inner(handle, name, shown, mode if count == len(names) else 0o755)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _inner(handle: int, name: str, shown: str, mode: int) -> int:
    try:
        return _open(handle, name, shown)
    except FileNotFoundError:
        os.mkdir(name, mode, dir_fd=handle)
    made = _open(handle, name, shown)
    os.fchmod(made, mode)  # whatever the umask
    return made


def _open(handle: int, name: str, shown: str) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
    raise StepFailed(
        f"{shown} is a link or a file where a folder has to be, and root follows none there. See who made it, move it "
        f"away and run the bootstrap again: ls -l {shown}; mv {shown} {shown}.away; systemctl start garret-bootstrap. "
        "To have it on another disk, mount that disk there"
    )
