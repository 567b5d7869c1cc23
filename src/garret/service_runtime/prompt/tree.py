"""What a prompt is read into: text, weights, changes by step, and the marks where a new chunk begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Text:
    """Words as they are read, with escapes taken out."""

    text: str


@dataclass(frozen=True)
class Break:
    """Where what follows begins a new chunk: BREAK."""


@dataclass(frozen=True)
class Weighted:
    """A part that counts more or less: `(x)`, `[x]`, `(x:1.3)`."""

    inner: Nodes
    weight: float


@dataclass(frozen=True)
class When:
    """The moment of a change: a number of steps, or a share of a pass (1 to 2: of the second pass)."""

    number: float
    share: bool


@dataclass(frozen=True)
class Switch:
    """One part until a moment and another one from then on: `[from:to:when]`."""

    before: Nodes
    after: Nodes
    when: When


@dataclass(frozen=True)
class Alternate:
    """Parts that take turns, a step each: `[a|b]`."""

    options: tuple[Nodes, ...]


Node: TypeAlias = Text | Break | Weighted | Switch | Alternate
Nodes: TypeAlias = tuple[Node, ...]
