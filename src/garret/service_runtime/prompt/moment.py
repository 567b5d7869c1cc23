"""What a prompt's tree says at one step: pieces of text with their weights, in sections that BREAK parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from garret.service_runtime.prompt.tree import Alternate, Break, Nodes, Switch, Text, Weighted, When

HEAVIEST = 10.0
"""Weights are held within this on either side: more makes no picture, and far more no number."""


@dataclass(frozen=True)
class Piece:
    """Some text and its weight."""

    text: str
    weight: float = 1.0


Section = tuple[Piece, ...]


@dataclass(frozen=True)
class Moment:
    """One step of a pass, counted from 0; `first_steps` are those of the pass before, None in the first."""

    step: int
    steps: int
    first_steps: int | None = None

    def is_before(self, when: When) -> bool:
        """Say whether a change is still to come: `[a:b:3]` is a in three steps."""
        if when.share:
            return self.step < int((when.number - (self.first_steps is not None)) * self.steps)
        return self.step < int(when.number) - (self.first_steps or 0)


def changes(nodes: Nodes) -> bool:
    """Say whether a tree says another thing at another step."""
    return any(
        isinstance(node, Switch | Alternate) or (isinstance(node, Weighted) and changes(node.inner)) for node in nodes
    )


def read(nodes: Nodes, moment: Moment) -> tuple[Section, ...]:
    """Return what a tree says at a moment; neighbours of equal weight are one piece."""
    sections: list[list[tuple[float, list[str]]]] = [[]]
    for weight, text in _flat(nodes, moment):
        last = sections[-1]
        if text is None:
            sections.append([])
        elif last and last[-1][0] == weight:
            last[-1][1].append(text)
        else:
            last.append((weight, [text]))
    return tuple(tuple(Piece("".join(texts), weight) for weight, texts in section) for section in sections)


def plain(text: str) -> tuple[Section, ...]:
    """Return a text as one section, its brackets and colons as they are."""
    return ((Piece(text),),) if text else ((),)


def _flat(nodes: Nodes, moment: Moment) -> Iterator[tuple[float, str | None]]:
    """Yield a tree's texts with their weights from left to right, None for a BREAK."""
    # A stack of its own: a generator inside of generators would pass every text up through all of them.
    open_nodes = [(iter(nodes), 1.0)]
    while open_nodes:
        rest, weight = open_nodes[-1]
        node = next(rest, None)
        if node is None:
            open_nodes.pop()
        elif isinstance(node, Text):
            yield round(max(-HEAVIEST, min(HEAVIEST, weight)), 6), node.text
        elif isinstance(node, Break):
            yield weight, None
        elif isinstance(node, Weighted):
            open_nodes.append((iter(node.inner), weight * node.weight))
        elif isinstance(node, Switch):
            open_nodes.append((iter(node.before if moment.is_before(node.when) else node.after), weight))
        else:
            open_nodes.append((iter(node.options[moment.step % len(node.options)]), weight))
