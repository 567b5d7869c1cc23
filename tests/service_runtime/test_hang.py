"""A silence is a hang only when it is longer than what the job itself has shown."""

from __future__ import annotations

import asyncio

import pytest

from garret.service_runtime.hang import Limits, Watch


async def told(limits: Limits, steps: list[float], then_s: float) -> list[str]:
    """Let steps come after these pauses, wait, and return what the watch said."""
    reasons: list[str] = []
    watch = Watch(limits, reasons.append)
    watch.begin()
    for pause in steps:
        await asyncio.sleep(pause)
        watch.sign(step=True)
    await asyncio.sleep(then_s)
    watch.end()
    await asyncio.sleep(0.05)
    return reasons


@pytest.mark.parametrize(
    ("limits", "steps", "then_s", "word"),
    [
        (Limits(10, 0.05), [], 0.3, ""),  # nothing has come yet: a model may be loading
        (Limits(0.1, 10), [], 0.3, "longer than 0.1 s"),
        (Limits(10, 0.05), [0.15], 0.3, "nothing for 0.05 s"),
        (Limits(10, 0.15), [0.0, 0.1], 0.5, ""),  # slow steps may be followed by slower ones
        (Limits(10, 0.05), [0.0, 0.02], 0.8, "in the middle of a job"),
        (Limits(0.3, 10), [0.05, 0.05], 0.5, "longer than 0.3 s"),
    ],
)
def test_a_hang_is_told_once(limits: Limits, steps: list[float], then_s: float, word: str) -> None:
    """By the whole time, or by a silence between two steps that none before gave reason for."""
    reasons = asyncio.run(told(limits, steps, then_s))
    assert len(reasons) == bool(word)
    assert all(word in reason for reason in reasons)
