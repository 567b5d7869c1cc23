"""The kernel's calls that Python has no names for yet: namespaces, mounts and what becomes of orphans."""

from __future__ import annotations

import ctypes
import os
import platform

NEW_MOUNTS, NEW_CGROUP, NEW_NAMES = 0x00020000, 0x02000000, 0x04000000
NEW_IPC, NEW_USERS, NEW_PIDS, NEW_NETWORK = 0x08000000, 0x10000000, 0x20000000, 0x40000000
ALL = NEW_MOUNTS | NEW_CGROUP | NEW_NAMES | NEW_IPC | NEW_USERS | NEW_PIDS | NEW_NETWORK

READ_ONLY, NO_SUID, NO_DEVICES, NO_EXECUTION = 1, 2, 4, 8
REMOUNT, BIND, RECURSIVE, PRIVATE = 32, 4096, 16384, 1 << 18
DETACH = 2
_PARENT_DEATH_SIGNAL = 1
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(kinds: int) -> None:
    """Leave the namespaces of these kinds for new ones."""
    _checked(_libc.unshare(kinds), "unshare")


def enter(handle: int, kind: int) -> None:
    """Enter the namespace that an open file names; only the calling thread does."""
    _checked(_libc.setns(handle, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount; OSError names the target."""
    result = _libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None)
    _checked(result, f"mount {target}")


def unmount(target: str, flags: int = 0) -> None:
    """Take a mount away."""
    _checked(_libc.umount2(target.encode(), flags), f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make a mount the root, and have the old root below it."""
    _checked(_libc.syscall(_PIVOT_ROOT[platform.machine()], new.encode(), old.encode()), f"pivot_root {new}")


def die_with_parent(number: int) -> None:
    """Have this signal sent to the calling process when its parent ends."""
    _checked(_libc.prctl(_PARENT_DEATH_SIGNAL, number, 0, 0, 0), "prctl")


def set_host_name(name: str) -> None:
    """Name the machine, within its namespace."""
    _checked(_libc.sethostname(name.encode(), len(name.encode())), "sethostname")


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
