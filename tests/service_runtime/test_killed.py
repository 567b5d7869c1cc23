"""kill -9 at random moments, again and again: the queue and the results folder keep what they promised."""

from __future__ import annotations

import secrets
from pathlib import Path

from tests.service_runtime.killing import killed


def test_nothing_that_was_accepted_is_lost_or_made_twice(tmp_path: Path) -> None:
    """A handful of lives here; `python -m benchmarks killed` gives it hundreds."""
    seed = secrets.randbelow(2**32)
    ledger = killed(tmp_path, rounds=4, seed=seed)
    assert ledger.wrong == [], f"with seed {seed}"
    assert len(ledger.accepted) > 3
    assert ledger.looks > len(ledger.accepted)
