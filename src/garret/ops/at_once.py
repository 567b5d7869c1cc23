"""Ask several things at once, so that a person waits for the slowest answer and not for their sum."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any


def at_once(*asks: Callable[[], Any]) -> list[Any]:
    """The answers, in the order of the questions; the first question runs in this thread.

    Raises:
        The error of the first question that failed, when all have ended.
    """
    answers: list[Any] = [None] * len(asks)
    errors: list[BaseException | None] = [None] * len(asks)

    def run(number: int) -> None:
        try:
            answers[number] = asks[number]()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            errors[number] = error

    # Threads of our own: the standard pool's import alone takes as long as half a command's start.
    threads = [Thread(target=run, args=(number,), daemon=True) for number in range(1, len(asks))]
    for thread in threads:
        thread.start()
    if asks:
        run(0)
    for thread in threads:
        thread.join()
    for error in errors:
        if error is not None:
            raise error
    return answers
