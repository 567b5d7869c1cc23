"""kill -9 at random moments, hundreds of times: is every accepted job there in the end, once and whole?"""

from __future__ import annotations

import collections
import os
import tempfile
import time
from pathlib import Path

from benchmarks.report import Report
from tests.service_runtime.killing import killed

ROUNDS = int(os.environ.get("GARRET_BENCH_KILLED_ROUNDS", "300"))
LONGEST_S = 2.0


def measure() -> Report:
    """Jobs that ended as was promised, over all that were accepted, in ten stories of their own."""
    accepted = 0
    ends: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    began, looks = time.monotonic(), 0
    for seed in range(10):
        with tempfile.TemporaryDirectory() as folder:
            ledger = killed(Path(folder) / "node", max(1, ROUNDS // 10), seed, LONGEST_S)
        ends.update(state for state, _ in ledger.ends.values())
        wrong += ledger.wrong
        looks += ledger.looks
        accepted += len(ledger.accepted)
    notes: dict[str, object] = {
        "unit": "jobs", "kills": ROUNDS // 10 * 10, "looks at jobs": looks, "ends": dict(ends), "wrong": wrong[:20],
        "seconds": round(time.monotonic() - began),
    }  # fmt: skip
    right = float(accepted - len(wrong))
    what = "jobs kept through kill -9 / jobs accepted"
    return Report("killed", what, [right], [float(accepted)], at_least=1.0, notes=notes)
