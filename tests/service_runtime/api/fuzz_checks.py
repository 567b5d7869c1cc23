"""What schemathesis checks of every answer beside its own checks; loaded by schemathesis.toml."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import schemathesis
from schemathesis import Case

LATER = (503, 507)
BY_DESIGN = 501
THIN = "GARRET_FUZZ_EVERY"
"""A variable: of the cases that cover a route's schema, its first ones are made, and then each so-many-th one."""
_FIRST = 8
_seen: Counter[str] = Counter()
_MARKS = (b"Traceback (most recent call last)", b'  File "/', b"site-packages/")


@schemathesis.hook
def filter_case(context: Any, case: Case) -> bool:
    """Leave cases out where there is no time for all of them: thousands say that a text is no number."""
    if case.meta is None or case.meta.phase.name != "coverage":
        return True
    label = case.operation.label
    _seen[label] += 1
    return _seen[label] <= _FIRST or _seen[label] % int(os.environ.get(THIN, "1")) == 0


@schemathesis.check
def errors_are_meant(ctx: Any, response: Any, case: Any) -> None:
    """A 5xx is 501 where the route says so, or 503 or 507 that says when to ask again; and no answer shows our code."""
    status = response.status_code
    if status == BY_DESIGN:
        assert str(BY_DESIGN) in case.operation.definition.raw["responses"], (
            "501 from a route that does not document it"
        )
    elif status in LATER:
        assert response.headers.get("retry-after"), f"{status} does not say when to ask again"
    else:
        assert status < 500, f"{status}: {response.content[:300]!r}"
    for mark in _MARKS:
        assert mark not in response.content, "an answer shows our code"
