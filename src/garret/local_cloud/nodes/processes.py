"""Processes of this machine as a driver needs them: who is whose child, since when, and how to end a whole tree."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

MARK = "GARRET_INSTANCE"
"""The environment variable that every process of a node carries."""


def start_time(pid: int) -> str:
    """Return a text that tells this process from a later one with the same number; "" when there is none."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        fields = stat.read_text("ascii", "replace").rpartition(")")[2].split()
        # A zombie has ended; only its parent has not looked yet.
        return "" if fields[0] == "Z" else fields[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
    import subprocess

    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def is_running(pid: int, since: str) -> bool:
    """Say whether the process that started then is still there."""
    return bool(since) and start_time(pid) == since


def descendants(pid: int) -> list[int]:
    """Return the processes below this one, nearest first."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found, queue = [], list(children.get(pid, []))
    while queue:
        next_pid = queue.pop(0)
        found.append(next_pid)
        queue.extend(children.get(next_pid, []))
    return found


def _parents() -> Iterator[tuple[int, int]]:
    """Yield every process with its parent."""
    if Path("/proc/self/stat").exists():  # also where nobody has installed `ps`
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = stat.read_text("ascii", "replace").rpartition(")")[2].split()[1]
            except OSError:
                continue  # it ended meanwhile
            yield int(stat.parent.name), int(parent)
        return
    import subprocess

    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
    for line in listing.splitlines():
        child, parent = line.split()
        yield int(child), int(parent)


def marked(instance_id: str) -> list[int]:
    """Return the processes that carry a node's mark, also those that lost their parent; only Linux can tell."""
    wanted, found = f"{MARK}={instance_id}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue  # it ended, or is somebody else's
    return found


def end(pids: Iterable[int], grace_s: float) -> None:
    """Ask processes to end, wait for them, and kill those that stay."""
    waiting = {pid: start_time(pid) for pid in pids if pid != os.getpid()}
    _signal(waiting, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline:
        waiting = {pid: since for pid, since in waiting.items() if is_running(pid, since)}
        if not waiting:
            return
        time.sleep(0.02)
    _signal(waiting, signal.SIGKILL)


def _signal(pids: dict[int, str], number: signal.Signals) -> None:
    for pid, since in pids.items():
        if is_running(pid, since):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
