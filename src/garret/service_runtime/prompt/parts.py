"""A prompt parted by AND: texts whose guidance is added up, each with a weight at its end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from garret.service_runtime.prompt.moment import Moment, Section, changes, read
from garret.service_runtime.prompt.parse import NUMBER, parse
from garret.service_runtime.prompt.tree import Nodes

_AND = re.compile(r"(?<!\\)\bAND\b")


@dataclass(frozen=True)
class Part:
    """One text of a prompt, and the share of the guidance that it has."""

    nodes: Nodes
    weight: float = 1.0

    @property
    def changes(self) -> bool:
        """Say whether it says another thing at another step."""
        return changes(self.nodes)

    def at(self, moment: Moment) -> tuple[Section, ...]:
        """Return what it says at a step."""
        return read(self.nodes, moment)


def parse_prompt(text: str) -> tuple[Part, ...]:
    """Return a prompt's parts, at least one; a blank one beside others is left out.

    Only where there are several does a number at the end weigh a part: "at 12:30" alone is a time of day.
    """
    texts = _texts(text)
    if len(texts) < 2:
        return (Part(parse(texts[0] if texts else "")),)
    return tuple(_weighted(part) for part in texts)


def count_parts(text: str) -> int:
    """Return how many parts a prompt has, without reading what they say."""
    return max(1, len(_texts(text)))


def parse_negative(text: str) -> Part:
    """Return a negative prompt, in which AND is a word like any other."""
    return Part(parse(text))


def _texts(text: str) -> list[str]:
    return [part for part in _AND.split(text) if part.strip()]


def _weighted(text: str) -> Part:
    words, _, last = text.rpartition(":")
    number = last.strip()
    return Part(parse(words.rstrip()), float(number)) if NUMBER.fullmatch(number) else Part(parse(text))
