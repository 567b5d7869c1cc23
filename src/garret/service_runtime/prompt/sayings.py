"""What one picture's words say at each step of a pass: its texts with their weights, and what it is led away from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from garret.service_runtime.prompt.moment import Moment, Section
from garret.service_runtime.prompt.parts import parse_negative, parse_prompt

Sections = tuple[Section, ...]


@dataclass(frozen=True)
class Saying:
    """The words of one step; `is_blank` where the negative prompt has none at any step."""

    texts: tuple[tuple[Sections, float], ...]
    negative: Sections
    is_blank: bool = False

    @property
    def all(self) -> Iterator[Sections]:
        """Return each text, the negative one last."""
        yield from (text for text, _ in self.texts)
        yield self.negative


def sayings(prompt: str, negative_prompt: str, steps: int, first_steps: int | None = None) -> Sequence[Saying]:
    """Return what a picture's words say at each of so many steps; `first_steps` are those of the pass before this."""
    parts, negative = parse_prompt(prompt), parse_negative(negative_prompt)
    blank = not negative_prompt.strip()

    def say(step: int) -> Saying:
        moment = Moment(step, steps, first_steps)
        return Saying(tuple((part.at(moment), part.weight) for part in parts), negative.at(moment), blank)

    if not any(part.changes for part in (*parts, negative)):
        return [say(0)] * steps
    return [say(step) for step in range(steps)]
