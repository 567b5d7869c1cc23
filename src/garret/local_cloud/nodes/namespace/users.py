"""Which users of this machine a node's users are: none that exists here, so that a node's root is nobody outside."""

from __future__ import annotations

import os
import stat
from pathlib import Path

BASE = 655_360_000
"""What a node calls user 0 is this one outside; from the range that systemd keeps free for containers."""
COUNT = 65_536


def write_maps(pid: int) -> None:
    """Give the user namespace of a process its map of users and groups."""
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{pid}/{name}").write_text(f"0 {BASE} {COUNT}", "ascii")


def give(path: Path) -> None:
    """Make a file or folder belong to the nodes' root."""
    os.chown(path, BASE, BASE, follow_symlinks=False)


def shift(root: Path) -> None:
    """Give a tree that belongs to this machine's users to the same users of a node; modes stay as they are."""
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            _shift(os.path.join(folder, name))  # noqa: PTH118 - twenty thousand of them
    _shift(str(root))


def _shift(path: str) -> None:
    known = os.lstat(path)
    if known.st_uid >= BASE:
        return
    os.chown(path, BASE + known.st_uid, BASE + known.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(known.st_mode) and known.st_mode & (stat.S_ISUID | stat.S_ISGID):
        os.chmod(path, stat.S_IMODE(known.st_mode))  # noqa: PTH101 - changing the owner took these bits away
