"""What schemathesis checks of every answer beside its own checks; loaded by schemathesis.toml."""

from __future__ import annotations

from typing import Any

import schemathesis

LATER = (503, 507)
BY_DESIGN = 501
_MARKS = (b"Traceback (most recent call last)", b'  File "/', b"site-packages/")


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
