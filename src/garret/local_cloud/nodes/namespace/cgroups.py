"""A control group per node: systemd in it has a tree of its own, and what is left of a node can be ended as a whole."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from garret.local_cloud.nodes.namespace import users

_DELEGATED = ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")


def root() -> Path | None:
    """Where the unified hierarchy of this machine is mounted; None when there is none."""
    for line in Path("/proc/self/mounts").read_text("utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None


def place(name: str) -> Path:
    """The group of this name; OSError on a machine without the unified hierarchy."""
    top = root()
    if top is None:
        raise OSError("no cgroup2 hierarchy is mounted")
    return top / name


def make(group: Path) -> None:
    """Have an empty group, handed over to the node's root."""
    remove(group)
    group.mkdir()
    # As far as this machine has them in the unified hierarchy: where it has not, a node's MemoryMax counts for nothing.
    with contextlib.suppress(OSError):
        top = group.parent
        some = (top / "cgroup.controllers").read_text("ascii").split()
        (top / "cgroup.subtree_control").write_text(" ".join(f"+{one}" for one in some if one in ("memory", "pids")))
    for path in (group, *(group / name for name in _DELEGATED)):
        users.give(path)


def enter(group: Path) -> None:
    """Move the calling process into the group."""
    (group / "cgroup.procs").write_text(str(os.getpid()), "ascii")


def remove(group: Path) -> None:
    """End every process below the group, and remove it."""
    if not group.is_dir():
        return
    deadline = time.monotonic() + 10
    while True:
        for one in _members(group):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        try:
            for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                folder.rmdir()
            group.rmdir()
        except OSError:
            if not group.is_dir():
                return  # the keeper, or a later look, was faster
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
            continue
        return


def _members(group: Path) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError):  # a folder that goes while its parent is looked through
        for procs in group.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found += [int(line) for line in procs.read_text("ascii").split()]
    return [pid for pid in found if pid > 1]
