"""Several questions at once: the answers in order, the first error, and nobody left behind."""

from __future__ import annotations

import threading

import pytest

from garret.ops.at_once import at_once


def test_answers_come_in_the_order_of_the_questions() -> None:
    """Both questions are asked before either is answered."""
    meet = threading.Barrier(2, timeout=10)

    def ask(answer: str) -> str:
        meet.wait()
        return answer

    assert at_once(lambda: ask("a"), lambda: ask("b")) == ["a", "b"]


def test_the_first_error_is_raised_when_all_have_ended() -> None:
    """Which of two errors a person reads does not depend on which thread was quicker."""
    ended = []

    def fail(text: str) -> None:
        ended.append(text)
        raise ValueError(text)

    with pytest.raises(ValueError, match="first"):
        at_once(lambda: ended.append("good"), lambda: fail("first"), lambda: fail("second"))
    assert sorted(ended) == ["first", "good", "second"]
