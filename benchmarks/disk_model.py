"""What a disk may hold after the power went: read from the system calls of a process, as strace writes them down.

What was flushed is there. Of what was not, any block of 512 bytes may be there or not, in whatever order it was
written; of a folder's changes any number of the first ones, since file systems write those down in order. A file's
flush says nothing of its name: that takes the folder's, as POSIX has it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 512
CALLS = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,sendto"
_LINE = re.compile(r"(\d+) +(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)(?:<((?:\\x..)*)>)?")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_TEXT = re.compile(r'"((?:\\x..)*)"')
_FILE = re.compile(r"(?:\d+|AT_FDCWD)<((?:\\x..)*)>")


@dataclass(frozen=True)
class Call:
    """One finished call: from and to which line of the record it went, and its arguments as text."""

    begin: int
    end: int
    name: str
    arguments: str
    opened: str = ""

    @property
    def texts(self) -> list[bytes]:
        """The texts among the arguments."""
        return [_bytes(text) for text in _TEXT.findall(self.arguments)]

    @property
    def file(self) -> str:
        """The path of the file that the first argument stands for."""
        found = _FILE.match(self.arguments)
        return _bytes(found[1]).decode("utf-8", "replace") if found else ""

    @property
    def last(self) -> int:
        """The last argument as a number."""
        return int(self.arguments.rpartition(",")[2])


def calls(record: Path) -> Iterator[Call]:
    """Yield the calls that succeeded, in the order in which they ended."""
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(record.open(encoding="ascii", errors="replace")):
        found = _LINE.match(line)
        if not found:
            continue
        pid, text, begin = found[1], found[2].rstrip("\n"), number
        if text.endswith("<unfinished ...>"):
            begun[pid] = (number, text.removesuffix("<unfinished ...>").rstrip())
            continue
        if resumed := _RESUMED.match(text):
            if pid not in begun:
                continue
            begin, before = begun.pop(pid)
            text = before + resumed[2]
        if (call := _CALL.match(text)) and int(call[3]) >= 0:
            yield Call(begin, number, call[1], call[2], _bytes(call[4] or "").decode("utf-8", "replace"))


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


@dataclass
class Content:
    """The bytes of one file, whatever its name: what was done to it, and up to when that was flushed."""

    done: list[tuple[int, int, bytes | None]] = field(default_factory=list)
    flushed: list[tuple[int, int]] = field(default_factory=list)
    at: int = 0

    def after(self, moment: int, chance: random.Random) -> bytes:
        """What there may be of it."""
        safe = max((begin for begin, end in self.flushed if end < moment), default=-1)
        found, share = bytearray(), chance.choice((0.0, 0.5, 0.9, 1.0))
        for end, offset, data in self.done:
            if end >= moment:
                break
            if data is None:
                if end < safe or chance.random() < share:
                    found = found[:offset].ljust(offset, b"\0")
                continue
            for start in range(0, len(data), BLOCK):
                if end < safe or chance.random() < share:
                    block, place = data[start : start + BLOCK], offset + start
                    if len(found) < place:
                        found.extend(bytes(place - len(found)))
                    found[place : place + len(block)] = block
        return bytes(found)


@dataclass
class Disk:
    """The files below one folder, as the calls left them."""

    root: str
    names: dict[str, Content] = field(default_factory=dict)
    changes: list[tuple[int, str, str, Content | None]] = field(default_factory=list)
    flushed: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def take(self, call: Call) -> None:
        """Follow one call."""
        if call.name == "openat":
            self._open(call)
        elif call.name in ("write", "pwrite64", "ftruncate"):
            self._write(call)
        elif call.name in ("fsync", "fdatasync"):
            content = self.names.get(call.file)
            into = content.flushed if content is not None else self.flushed.setdefault(call.file, [])
            into.append((call.begin, call.end))
        elif call.name.startswith("rename"):
            source, target = (text.decode() for text in call.texts[:2])
            if source in self.names:
                self.names[target] = self.names.pop(source)
                self.changes.append((call.end, target, source, self.names[target]))
        elif call.name.startswith("unlink"):
            path = call.texts[-1].decode()
            if self.names.pop(path, None) is not None:
                self.changes.append((call.end, path, "", None))

    def _open(self, call: Call) -> None:
        path = call.opened
        if not path.startswith(self.root) or "O_DIRECTORY" in call.arguments:
            return
        if path not in self.names:
            if "O_CREAT" not in call.arguments:
                return
            self.names[path] = Content()
            self.changes.append((call.end, path, "", self.names[path]))
        content = self.names[path]
        content.at = 0
        if "O_TRUNC" in call.arguments and content.done:
            content.done.append((call.end, 0, None))

    def _write(self, call: Call) -> None:
        content = self.names.get(call.file)
        if content is None:
            return
        if call.name == "ftruncate":
            content.done.append((call.end, call.last, None))
            return
        data = call.texts[0]
        offset = call.last if call.name == "pwrite64" else content.at
        content.done.append((call.end, offset, data))
        content.at = offset + len(data)

    def after(self, moment: int, chance: random.Random, into: Path) -> None:
        """Write what there may be at a moment into a folder."""
        there: dict[str, Content] = {}
        lost: set[str] = set()
        for end, path, source, content in self.changes:
            folder = path.rpartition("/")[0]
            safe = max((begin for begin, done in self.flushed.get(folder, ()) if done < moment), default=-1)
            if end >= moment or folder in lost:
                continue
            if end >= safe and chance.random() < 0.3:
                lost.add(folder)
                continue
            there.pop(source, None)
            if content is None:
                there.pop(path, None)
            else:
                there[path] = content
        for path, content in there.items():
            place = into / path.removeprefix(self.root).lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.after(moment, chance))
