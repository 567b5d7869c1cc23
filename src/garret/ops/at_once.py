"""Ask several things at once, so that a person waits for the slowest answer and not for their sum."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any


class Asked:
    """A question that is asked in a thread of its own from now on; who never wants the answer never waits for it."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._answer: Any = None
        self._error: BaseException | None = None
        # A thread of our own: the standard pool's import alone takes as long as a fifth of a command's start.
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def answer(self) -> Any:
        """Wait for the answer.

        Raises:
            What the question raised.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._answer

    def _run(self) -> None:
        try:
            self._answer = self._ask()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            self._error = error


def at_once(first: Callable[[], Any], *others: Callable[[], Any]) -> list[Any]:
    """The answers, in the order of the questions; the first question runs in this thread.

    Raises:
        The error of the first question that failed, when all have ended.
    """
    asked = [Asked(ask) for ask in others]
    answers: list[Any] = []
    error: BaseException | None = None
    for answer in (first, *(one.answer for one in asked)):
        try:
            answers.append(answer())
        except BaseException as raised:  # noqa: BLE001 - raised again below
            error = error or raised
    if error is not None:
        raise error
    return answers
