"""Requests on their way into the queue: each holds a place from the guard on; who finds none hears so at once.

Reading a body and looking up what it names takes a hundred times as long as saying no; of two hundred requests in one
moment those that will be refused must not wait for those that will not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(eq=False)
class Entry:
    """One request's place, from the guard until it is a job or over."""

    owner: str
    _inside: set[Entry] = field(repr=False)

    def leave(self) -> None:
        """Give the place up; a second time changes nothing."""
        self._inside.discard(self)


_CURRENT: ContextVar[Entry | None] = ContextVar("entry", default=None)


class Entrance:
    """Who is on the way; `check` refuses an owner for whom there is no place beside these owners' requests."""

    def __init__(self, check: Callable[[str, Collection[str]], None]) -> None:
        self._check = check
        self._inside: set[Entry] = set()

    def enter(self, owner: str) -> Entry:
        """Take a place for the request that this task serves.

        Raises:
            Busy: there is none.
        """
        self._check(owner, [entry.owner for entry in self._inside])
        entry = Entry(owner, self._inside)
        self._inside.add(entry)
        _CURRENT.set(entry)
        return entry


def leave_entrance() -> None:
    """Give up the place of the request that this task serves: its job has one of its own."""
    entry = _CURRENT.get()
    if entry is not None:
        entry.leave()
