"""Starting with extensions: a new one is on trial, and is rolled back when the service does not become ready with it.

Who dies at its start cannot say so. So each start first notes which extensions it tries, and takes the note away once
it was ready; a start that finds such a note rolls those back. Two starts in a row that never became ready are followed
by one without any extension.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from garret.service_runtime.extensions.loading import Extensions
from garret.service_runtime.extensions.registry import NEW, PROVEN, TRIED, Registry
from garret.service_runtime.files import write_atomically
from garret.service_runtime.settings import ServiceSettings

logger = logging.getLogger(__name__)

STARTS_BEFORE_LEAVING_OUT = 2
_TAIL_BYTES = 3000


class Trial:
    """One start of the service with its extensions."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._registry = Registry(settings)
        self._words = LastWords(self._registry.folder / "trial.log")
        self._count = self._registry.starts
        self._over = False
        self.extensions = Extensions(self._registry)

    def begin(self) -> Extensions:
        """Decide what this start tries, and note it; nothing of an extension is imported yet."""
        if not self._registry.folder.is_dir():
            self._over = True
            return self.extensions
        last = self._words.of_last_start()
        with self._registry.locked():
            for one in self._registry.all():
                if one.is_on and one.trial == TRIED:
                    reason = "the service ended before it was ready with it"
                    self._registry.save(one.rolled_back(f"{reason}. Its last words:\n{last}" if last else reason))
            on = [one for one in self._registry.all() if one.is_on]
            unready = self._unready()
            left_out = bool(on) and unready >= STARTS_BEFORE_LEAVING_OUT
            if not left_out:
                on = [self._registry.save(replace(one, trial=TRIED)) if one.trial == NEW else one for one in on]
            write_atomically(self._count, json.dumps(unready + 1).encode(), 0o640)
        self.extensions = Extensions(self._registry, on)
        if left_out:
            reason = f"left out, for the service was never ready at its last {unready} starts"
            self.extensions.failed = {one.name: reason for one in on}
            self.extensions.held_back = True
        elif any(one.trial for one in on):
            self._words.keep()
        return self.extensions

    def worker_stderr(self) -> int | None:
        """Return where workers write to; None is this process's own."""
        return self._words.pipe()

    def ready(self) -> bool:
        """Note that the service is ready with them; False when one was taken back since, which this process has."""
        if self._over:
            return True
        self._over = True
        same = True
        with self._registry.locked():
            self._count.unlink(missing_ok=True)
            for one in self.extensions.chosen:
                known = self._registry.find(one.name)
                if known is None or known.digest != one.digest or not known.is_on:
                    same = False
                elif known.trial == TRIED:
                    # What was proven is the new one to go back to: nothing before it is needed any more.
                    self._registry.save(replace(known, trial=PROVEN, failure=None, previous=None))
        self._words.release()
        return same

    def roll_back(self, reason: str) -> bool:
        """Take back what is on trial; says whether anything was."""
        tried = [one for one in self.extensions.chosen if one.trial] if not self._over else []
        for one in tried:
            self._registry.roll_back(one.name, one.digest, reason)
        return bool(tried)

    def call_off(self) -> None:
        """Note that this start was ended on purpose before it was ready, which proves nothing."""
        if self._over:
            return
        self._over = True
        with self._registry.locked():
            write_atomically(self._count, json.dumps(max(0, self._unready() - 1)).encode(), 0o640)
            for one in self.extensions.chosen:
                known = self._registry.find(one.name)
                if known is not None and known.trial == TRIED and known.digest == one.digest:
                    self._registry.save(replace(known, trial=NEW))
        self._words.release()

    def release(self) -> None:
        """Give the process its own stderr back."""
        self._words.release()

    def _unready(self) -> int:
        try:
            return int(json.loads(self._count.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return 0


class LastWords:
    """Keeps in a file what a process writes to its stderr, so that the next one can tell what it died of."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own: int | None = None
        self._write: int | None = None

    def of_last_start(self) -> str:
        """Return the end of what an earlier process left, and pass it on to where it belongs: the service's log."""
        try:
            text = self._path.read_bytes()
        except OSError:
            return ""
        _write_all(2, text)
        self._path.unlink(missing_ok=True)
        return text[-_TAIL_BYTES:].decode("utf-8", "replace").strip()

    def keep(self) -> None:
        """From now on write into the file."""
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o640)
            self._own = os.dup(2)
            os.dup2(descriptor, 2)
            os.close(descriptor)

    def pipe(self) -> int | None:
        """Return a descriptor for other processes whose words are to go wherever ours go at that moment."""
        if self._own is None:
            return None
        if self._write is None:
            read, self._write = os.pipe()
            threading.Thread(target=_pump, args=(read,), name="workers' stderr", daemon=True).start()
        return self._write

    def release(self) -> None:
        """Write to our own stderr again, also what was said meanwhile."""
        if self._own is None:
            return
        sys.stderr.flush()
        os.dup2(self._own, 2)
        os.close(self._own)
        self._own = None
        self.of_last_start()


def _pump(read: int) -> None:
    while text := os.read(read, 65_536):
        _write_all(2, text)


def _write_all(descriptor: int, text: bytes) -> None:
    with suppress(OSError):
        while text:
            text = text[os.write(descriptor, text) :]
