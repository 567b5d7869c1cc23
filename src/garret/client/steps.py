"""What a definition asks of whoever drives it: one vocabulary for the blocking client and the awaiting one.

Everything the client does is defined once, as a generator that yields these steps and is sent their outcomes. It
opens no socket and never sleeps, so the same lines serve `Client`, which does each step before it goes on, and
`AsyncClient`, which awaits it; what differs between the two is one small driver each (blocking.py, awaiting.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Ask:
    """Send a request and read its answer: a Reply. `timeout_s` is how long the other side may be silent."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_s: float = 30.0


@dataclass(frozen=True)
class Reply:
    """An answer; its headers' names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Open:
    """Send a request and read the answer as it comes, by Read: a Reply, whose body is there when it is a refusal."""

    ask: Ask


@dataclass(frozen=True)
class Read:
    """Wait for the next bytes of what is open; b"" at its end."""


@dataclass(frozen=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Do what blocks, such as reading a file, and answer what it returns."""

    function: Callable[[], Any]


@dataclass(frozen=True)
class Emit:
    """Hand one item to whoever iterates."""

    item: Any


Step: TypeAlias = Ask | Open | Read | Pause | Work | Emit
Steps: TypeAlias = Generator[Step, Any, T]


def asked(ask: Ask) -> Steps[Reply]:
    """Send a request, once."""
    reply: Reply = yield ask
    return reply


def worked(function: Callable[[], T]) -> Steps[T]:
    """Do what blocks."""
    result: T = yield Work(function)
    return result
