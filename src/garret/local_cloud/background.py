"""Work that goes on after a call was answered: a thread per piece of work, each with a name."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
import traceback
from collections.abc import Callable


class Background:
    """Runs functions on threads; one that raises writes its traceback to stderr (the server's log)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._again: dict[str, Callable[[], None]] = {}
        self._stopping = threading.Event()

    @property
    def stopping(self) -> bool:
        """True once the server goes down: long work ends at its next chance and is taken up by `recover`."""
        return self._stopping.is_set()

    def start(self, name: str, function: Callable[[], None]) -> bool:
        """Run `function` on a thread of its own; False when work of this name is under way or the server goes down."""
        with self._lock:
            if self.stopping or name in self._threads:
                return False
            context = contextvars.copy_context()  # the work is done on behalf of whoever asked for it
            thread = threading.Thread(target=context.run, args=(self._run, name, function), name=name, daemon=True)
            self._threads[name] = thread
            thread.start()
            return True

    def ensure(self, name: str, function: Callable[[], None]) -> None:
        """Run `function` on a thread, once more after the work of this name that is under way (never beside it)."""
        with self._lock:
            if name in self._threads:
                self._again[name] = function
                return
        if not self.start(name, function) and not self.stopping:
            self.ensure(name, function)  # another thread was quicker between the two looks

    def wait(self, seconds: float) -> bool:
        """Sleep; True when the server goes down meanwhile."""
        return self._stopping.wait(seconds)

    def names(self) -> list[str]:
        """Names of the work under way."""
        with self._lock:
            return sorted(self._threads)

    def join(self, timeout: float = 30.0, name: str | None = None) -> bool:
        """Wait until the work called `name` (or all of it, and what it starts) has ended; False after `timeout` s."""
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                waiting = [thread for key, thread in self._threads.items() if name in (None, key)]
            if not waiting:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            waiting[0].join(left)

    def stop(self, timeout: float = 5.0) -> None:
        """Start nothing more, wake sleepers and give the work under way `timeout` seconds to end."""
        self._stopping.set()
        self.join(timeout)

    def _run(self, name: str, function: Callable[[], None]) -> None:
        while True:
            try:
                function()
            except Exception:  # noqa: BLE001 - the last line of defence: a thread's error must reach the log
                traceback.print_exc(file=sys.stderr)
            with self._lock:
                if name not in self._again or self.stopping:
                    del self._threads[name]
                    return
                function = self._again.pop(name)
