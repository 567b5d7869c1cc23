"""What past silences teach: when a stop costs least."""

from __future__ import annotations

import random

import pytest

from benchmarks.arrivals import traces
from benchmarks.autostop import POLICIES, optimum, play
from garret.service_runtime.gaps import COMING_BACK_S, FEW, FLOOR_S, KEPT, SHORTEST_S, Gaps
from garret.service_runtime.idle import Idle

HOUR = 3600.0


def test_until_something_is_known_it_waits_as_long_as_coming_back_counts() -> None:
    """Nobody can regret that by more than as much again."""
    assert Gaps([100.0] * (FEW - 1)).wait(HOUR) == COMING_BACK_S
    assert Gaps().wait(300.0) == 300.0


@pytest.mark.parametrize(
    ("gaps", "wait"),
    [
        ([9000.0] * 20, FLOOR_S),  # whoever stops comes back tomorrow
        ([200.0] * 20, 201.0),  # and whoever pauses comes back soon
        ([200.0] * 20 + [40_000.0] * 5, 201.0),
        ([3000.0] * 99 + [9000.0], FLOOR_S),  # a long pause is not waited for, however often it comes
        ([40.0] * 20, FLOOR_S),
    ],
)
def test_the_wait_is_what_would_have_cost_least(gaps: list[float], wait: float) -> None:
    """By the silences that were."""
    assert Gaps(gaps).wait(HOUR) == wait


def test_no_other_wait_would_have_cost_less() -> None:
    """Against trying them all."""
    chosen = random.Random(5)
    for _ in range(50):
        gaps = [chosen.lognormvariate(6, 1.5) for _ in range(60)]
        known = Gaps(gaps)

        def cost(wait: float, gaps: list[float] = known.kept) -> float:
            return sum(gap if gap <= wait else wait + COMING_BACK_S for gap in gaps)

        found = known.wait(1e9)
        assert cost(found) <= min(cost(float(wait)) for wait in range(int(FLOOR_S), 20_000, 7)) + 60.0, "a second each"


def test_it_never_waits_longer_than_it_is_told_and_forgets_what_is_long_ago() -> None:
    """The most is the most; what people did months ago is no guide."""
    known = Gaps([3500.0] * 200)
    assert known.wait(1800.0) <= 1800.0
    assert len(known.kept) == KEPT
    known.add(SHORTEST_S / 2)
    assert known.kept[-1] == 3500.0, "somebody who thinks is no silence"


def test_signs_of_life_end_silences() -> None:
    """Each sign after half a minute tells how long it was."""
    now = [0.0]
    idle = Idle(lambda: now[0])
    for at in (10.0, 20.0, 100.0, 4000.0):
        now[0] = at
        idle.touch("GET /")
    assert idle.gaps.kept == [80.0, 3900.0]


def test_learning_keeps_near_the_best_that_anybody_could_do() -> None:
    """The node's own controller on a trace of the benchmark, on a clock that is moved; the default beside it."""
    trace = next(one for one in traces() if one.name == "nightly")
    least = optimum(trace.gaps)
    learned, default = (play(trace, POLICIES[name]).billed / least for name in list(POLICIES)[:2])
    assert 1.0 < learned < 1.35
    assert learned < default < 3.0
