"""Schemathesis over our OpenAPI document, against a live service that speaks every dialect."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service_runtime.api.fuzzing import STOPS_THE_REST, Fuzzed, Outcome, fuzz, under_fire

ENOUGH = 2000
EVERY = 8
A_ROUTE, THE_LAST_ROUTE = "4", "20"
"""So many cases of a route beside those that cover its schema."""
GROWTH = 64 << 20
"""More than what comes and goes with pictures on their way, and far less than thousands of answers would leave."""


@pytest.mark.timeout(600)
@pytest.mark.compatible("OpenAPI", "schemathesis 4", "all phases over every route: no 5xx but meant ones, no traceback")
def test_no_case_breaks_the_service(tmp_path: Path) -> None:
    """Every answer is as documented, nothing fails but by design, memory stays, and the service ends as it should."""
    with under_fire(tmp_path) as fuzzed:
        others = ("--exclude-path-regex", STOPS_THE_REST, "--seed", "7")
        first = fuzz(fuzzed, tmp_path, *others, "-n", A_ROUTE, phases=("examples", "coverage"), thin=EVERY)
        check(first, fuzzed)
        fuzzed.settle()
        before = fuzzed.memory
        second = fuzz(fuzzed, tmp_path, *others, "-n", A_ROUTE, phases=("fuzzing", "stateful"))
        check(second, fuzzed)
        fuzzed.settle()
        assert fuzzed.memory - before < GROWTH
        these = ("--include-path-regex", STOPS_THE_REST, "--seed", "7", "-n", THE_LAST_ROUTE)
        last = fuzz(fuzzed, tmp_path, *these, shares=((),))
        check(last, fuzzed)
        assert fuzzed.service.call("GET", "/healthz").status == 200
        assert first.cases + second.cases + last.cases >= ENOUGH


def check(outcome: Outcome, fuzzed: Fuzzed) -> None:
    """Nothing was found."""
    assert not outcome.failed, outcome.text
    assert not outcome.errors, outcome.text
    assert not fuzzed.mistakes, fuzzed.mistakes
