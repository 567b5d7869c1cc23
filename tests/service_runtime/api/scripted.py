"""A driver of the client's definitions that answers by a function, on a clock of its own: no socket, no waiting."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from garret.client.manners import Manners
from garret.client.steps import Ask, Emit, Pause, Reply, Step, Steps, Work

T = TypeVar("T")


def said(value: Any, status: int = 200, **headers: str) -> Reply:
    """An answer in JSON."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, named, value if isinstance(value, bytes) else json.dumps(value).encode())


@dataclass
class Script:
    """Answers each request by what a function of it returns: a Reply, or an error to raise.

    Each answer takes `each_s`; `asked` is what was asked, and `paused` how long was waited in between.
    """

    answer: Callable[[Ask], Reply | BaseException]
    each_s: float = 0.0
    now: float = 0.0
    asked: list[Ask] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)

    @property
    def manners(self) -> Manners:
        """Usual manners on the script's clock."""
        return replace(Manners(), clock=lambda: self.now)

    @property
    def lines(self) -> list[str]:
        """What was asked, in short."""
        return [f"{ask.method} {ask.path}" for ask in self.asked]

    def run(self, steps: Steps[T]) -> T:
        """Return what the steps come to."""
        try:
            step = next(steps)
            while True:
                try:
                    outcome = self._outcome(step)
                except BaseException as error:  # noqa: BLE001 - as the real ones
                    step = steps.throw(error)
                else:
                    step = steps.send(outcome)
        except StopIteration as over:
            result: T = over.value
            return result

    def iterate(self, steps: Steps[None]) -> Iterator[Any]:
        """Yield what the steps emit; no script has an answer that comes in pieces."""
        try:
            step = next(steps)
            while True:
                if isinstance(step, Emit):
                    yield step.item
                step = steps.send(None if isinstance(step, Emit) else self._outcome(step))
        except StopIteration:
            return

    def _outcome(self, step: Step) -> Any:
        if isinstance(step, Pause):
            self.now += step.seconds
            self.paused.append(step.seconds)
            return None
        if isinstance(step, Work):
            return step.function()
        assert isinstance(step, Ask), step
        self.asked.append(step)
        self.now += self.each_s
        answer = self.answer(step)
        if isinstance(answer, BaseException):
            raise answer
        return answer
