"""The disk after a power cut, as the benchmark `power_loss` draws it: flushed is there, the rest is left to chance."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.disk_model import Disk, calls


def hexed(text: str) -> str:
    """A text as strace -xx writes it."""
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def recorded(path: Path) -> Path:
    """A file that is written, flushed, renamed; its folder's flush comes last, and in two lines."""
    part, whole, folder = (hexed(f"/s/{name}") for name in ("a.part", "a", ""))
    folder = hexed("/s")
    lines = [
        f'1 openat(AT_FDCWD<{hexed("/")}>, "{part}", O_WRONLY|O_CREAT|O_TRUNC, 0640) = 3<{part}>',
        f'1 write(3<{part}>, "{hexed("x" * 1000)}", 1000) = 1000',
        f"1 fsync(3<{part}>) = 0",
        f'1 rename("{part}", "{whole}") = 0',
        f"2 fsync(4<{folder}> <unfinished ...>",
        '1 unlink("/nowhere") = -1 ENOENT (No such file or directory)',
        "2 <... fsync resumed>) = 0",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


def test_what_was_flushed_is_there_and_the_rest_may_be(tmp_path: Path) -> None:
    """Before the file's flush its bytes may be missing, before the folder's its name, after both neither."""
    disk, chance = Disk("/s"), random.Random(1)
    done = list(calls(recorded(tmp_path / "calls.txt")))
    for call in done:
        disk.take(call)
    assert [call.name for call in done] == ["openat", "write", "fsync", "rename", "fsync"]
    seen: dict[int, set[tuple[str, int]]] = {}
    for moment in (2, 3, 6, 7):
        for number in range(25):
            into = tmp_path / f"{moment}-{number}"
            into.mkdir()
            disk.after(moment, chance, into)
            files = [(file.name, file.read_bytes().count(b"x")) for file in into.iterdir()]
            seen.setdefault(moment, set()).update(files or [("", 0)])
    assert {count for _, count in seen[2]} > {0, 1000}
    assert seen[6] == {("", 0), ("a.part", 1000), ("a", 1000)}
    assert seen[7] == {("a", 1000)}
