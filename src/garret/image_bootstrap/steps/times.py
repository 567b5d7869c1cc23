"""How long each step takes and may take, in seconds: for the boot page's estimate, and so that none goes on and on."""

from __future__ import annotations

from typing import NamedTuple


class Times(NamedTuple):
    """What a step takes on a new gn7i node, and after how long it is ended."""

    typical_s: float
    limit_s: float


OTHER = Times(1, 300)
TIMES = {
    "ensure_bundle": Times(20, 7200),
    "ensure_packages": Times(30, 1800),
    "ensure_address": Times(1, 120),
    "ensure_gpu": Times(2, 180),
    "ensure_python": Times(150, 5400),
    "ensure_cuda": Times(10, 300),
    "ensure_models": Times(60, 12 * 3600),
    "ensure_compiled": Times(1, 1800),
    "ensure_service": Times(2, 300),
    "ensure_answering": Times(15, 1200),
    "ensure_picture": Times(10, 900),
    "ensure_acme": Times(20, 900),
}
"""Estimates until a node of that kind has been measured; a node that did a step before knows better by its journal."""


def times_of(step: str) -> Times:
    """Return a step's times; a step that is not in the table takes no time to speak of."""
    return TIMES.get(step, OTHER)
