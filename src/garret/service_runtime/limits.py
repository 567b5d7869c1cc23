"""The bounds of every field of a request, and the refusals that name field, reason and what to give instead."""

from __future__ import annotations

import math
from collections.abc import Sequence

from garret.service_runtime.errors import BadRequest, UnknownChoice

MINIMUM_SIDE, MAXIMUM_SIDE, SIDE_STEP = 64, 2048, 8
MAXIMUM_SECOND_SIDE = 4096
MAXIMUM_FINAL_SIDE = 8192
MAXIMUM_FINAL_PIXELS = 4096 * 4096
"""Of a picture that was made larger; it crosses between the processes as a whole, in 48 MiB."""
MAXIMUM_BETWEEN_PIXELS = 64 << 20
"""Of what a network makes on the way to a picture of another size: 192 MiB of the worker's memory."""
MAXIMUM_STEPS = 150
MAXIMUM_BATCH = 4
MAXIMUM_PICTURES = 16
MAXIMUM_PROMPT = 16_000
MAXIMUM_GUIDANCE = 50.0
"""As far as any of the APIs goes: A1111's page to 30, Stability's to 35, Replicate's SDXL to 50."""
MAXIMUM_SEED = 2**63 - 1


def check_text(name: str, text: str, longest: int = MAXIMUM_PROMPT) -> None:
    """Refuse what is no text, too long, or holds what no text should."""
    if not isinstance(text, str):
        raise BadRequest(name, "must be text")
    if len(text) > longest:
        raise BadRequest(name, f"has {len(text)} characters", f"At most {longest}")
    if "\0" in text:
        raise BadRequest(name, "holds a NUL character", "Leave it out")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRequest(name, "holds half of a surrogate pair, which is no character", "Send valid Unicode") from None


def check_whole(name: str, value: int, low: int, high: int) -> None:
    """Refuse what is no whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequest(name, "must be a whole number")
    if not low <= value <= high:
        shown = str(value) if abs(value) < 10**12 else "the number"
        raise BadRequest(name, f"{shown} is out of range", f"Give {low} to {high}")


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Refuse what is no finite number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(name, "must be a number")
    if not (math.isfinite(value) and low <= value <= high):
        raise BadRequest(name, f"must be {low:.12g} to {high:.12g}")


def check_side(name: str, side: int) -> None:
    """Refuse what is no side of a picture."""
    check_whole(name, side, MINIMUM_SIDE, MAXIMUM_SIDE)
    if side % SIDE_STEP:
        nearest = max(MINIMUM_SIDE, round(side / SIDE_STEP) * SIDE_STEP)
        raise BadRequest(name, f"{side} is not a multiple of {SIDE_STEP}", f"Try {nearest}")


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """Refuse a word that is none of those there are."""
    if value not in known:
        raise UnknownChoice(name, f"{str(value)[:40]!r} is not there", f"Known: {', '.join(known)}")
