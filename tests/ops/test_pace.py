"""Waits see what they wait for soon after it is there, without asking more often than Terraform would."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from garret.ops.cloud import Cloud, Instance, Stack
from garret.ops.power import wait_for_status
from garret.ops.watch import watch_until_settled
from tests.ops.fake import FakeClock, Listener, World, cloud_of

READY = range(12, 301)
"""When what is waited for is there, in seconds: each of these once."""


@dataclass
class Slow:
    """A stack, or a machine, that is ready at its time; it counts who asks."""

    clock: FakeClock
    ready_s: float
    asked: int = 0

    def get(self, identity: str) -> Any:
        """Look once."""
        self.asked += 1
        there = self.clock.now >= self.ready_s
        if identity.startswith("i-"):
            return Instance(identity, "Running" if there else "Starting", "", "")
        return Stack(identity, "garret-a", "CREATE_COMPLETE" if there else "CREATE_IN_PROGRESS")

    def events(self, _stack_id: str) -> list[Any]:
        """Nothing to tell."""
        return []


def far(slow: Slow) -> Cloud:
    """A cloud far away with this in it."""
    role: Any = slow
    return replace(cloud_of(World()), clock=slow.clock, stacks=role, instances=role, poll_s=5.0)


def terraform(ready_s: float) -> tuple[float, int]:
    """When its helper for waits sees it, and at which look: pauses of 3 and 6, then of 10 seconds."""
    now, looks, pauses = 0.0, 1, iter([3.0, 6.0])
    while now < ready_s:
        now += next(pauses, 10.0)
        looks += 1
    return now, looks


def test_a_wait_is_overshot_by_a_twentieth_with_no_more_calls_than_terraform() -> None:
    """Over all ready times: what is lost of each wait on average, and the calls in all."""
    theirs = [terraform(ready) for ready in READY]
    ours = []
    for ready in READY:
        slow = Slow(FakeClock(), ready)
        wait_for_status(far(slow), "i-1", "Running")
        ours.append((slow.clock.now, slow.asked))
    lost = fmean((seen - ready) / ready for (seen, _), ready in zip(ours, READY, strict=True))
    assert lost <= 0.05
    assert lost < fmean((seen - ready) / ready for (seen, _), ready in zip(theirs, READY, strict=True))
    assert sum(looks for _, looks in ours) <= sum(looks for _, looks in theirs)


def test_a_stack_is_looked_at_at_the_same_pace() -> None:
    """A stack's state is asked for as often as a machine's."""
    for ready in (12, 47, 300):
        machine, stack = Slow(FakeClock(), ready), Slow(FakeClock(), ready)
        wait_for_status(far(machine), "i-1", "Running")
        watch_until_settled(far(stack), "stack-1", Listener(), 3600)
        assert stack.clock.now == machine.clock.now
        assert stack.asked == machine.asked + 1  # what was told before it began


def test_a_cloud_on_this_machine_is_looked_at_often() -> None:
    """There a look costs nothing, and everything is quick."""
    near = replace(cloud_of(World()), poll_s=0.2)
    assert {near.pause(waited) for waited in (0.0, 5.0, 500.0)} == {0.2}
