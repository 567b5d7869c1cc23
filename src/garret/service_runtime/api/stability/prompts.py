"""Several texts with weights (`text_prompts`) as the one prompt and negative prompt that a request has.

Texts of positive weight guide together, each with its share of `cfg_scale`: two of weight 1 are not twice as strong as
one. Those of negative weight are what the picture should not show; one below another in weight counts less there.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from garret.service_runtime.api import fields
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.limits import check_number, check_text
from garret.service_runtime.styles import Style, around
from garret.service_runtime.vocabulary import MAXIMUM_PARTS

FIELD = "text_prompts"
HEAVIEST = 10.0
_HINT = 'Send [{"text": "a lighthouse"}, {"text": "fog", "weight": -1}]'
_AND = re.compile(r"(?<!\\)\bAND\b")
_MARKS = re.compile(r"[\\()\[\]]")


@dataclass(frozen=True)
class WeightedText:
    """One text and what it counts; below 0 it tells what is not wanted."""

    text: str
    weight: float = 1.0


def read_prompts(value: Any) -> tuple[WeightedText, ...]:
    """Return the texts of a body's list; those of weight 0, which say nothing, are left out.

    Raises:
        BadRequest: names the entry and its field.
    """
    if not isinstance(value, list) or not value:
        raise BadRequest(FIELD, "must be a list of at least one text", _HINT)
    if len(value) > MAXIMUM_PARTS:
        raise BadRequest(FIELD, f"has {len(value)} texts", f"At most {MAXIMUM_PARTS}")
    found = tuple(one for index, entry in enumerate(value) if (one := _read(entry, f"{FIELD}[{index}]")).weight)
    if not found:
        raise BadRequest(FIELD, "has only texts of weight 0", "Give one of them a weight")
    return found


def _read(entry: Any, name: str) -> WeightedText:
    if not isinstance(entry, dict):
        raise BadRequest(name, "must be an object", _HINT)
    try:
        text, weight = fields.text(entry, "text"), fields.number(entry, "weight", 1.0)
        check_text("text", text)
        check_number("weight", weight, -HEAVIEST, HEAVIEST)
        if not text.strip():
            raise BadRequest("text", "is empty", _HINT)
    except BadRequest as error:
        raise BadRequest(f"{name}.{error.field}", error.reason, error.hint) from None
    return WeightedText(text, weight)


def joined(texts: tuple[WeightedText, ...], style: Style | None = None) -> tuple[str, str]:
    """Return prompt and negative prompt, with a style's words around each text that is wanted."""
    style = style or Style("")
    wanted = [one for one in texts if one.weight > 0]
    unwanted = [one for one in texts if one.weight < 0]
    styled = [WeightedText(around(style.prompt, one.text), one.weight) for one in wanted]
    prompt = _parts(styled) if styled else style.prompt.replace("{prompt}", "")
    negative = ", ".join(_weighed(one.text, one.weight / min(each.weight for each in unwanted)) for one in unwanted)
    return prompt, around(style.negative_prompt, negative)


def _parts(texts: list[WeightedText]) -> str:
    """Return texts that guide together; a lone one is all of the guidance, whatever it weighs."""
    if len(texts) == 1:
        return texts[0].text
    total = math.fsum(one.weight for one in texts)
    # AND within a text is one of its words here; between two it is what joins them.
    shares = ((_AND.sub(r"\\AND", one.text), one.weight / total) for one in texts)
    return " AND ".join(f"{text} :{_number(share)}" for text, share in shares)


def _weighed(text: str, share: float) -> str:
    """Return a text with what it counts beside the weightiest, which is 1."""
    if share == 1:
        return text
    inner = text if _balanced(text) else _MARKS.sub(r"\\\g<0>", text)
    return f"({inner}:{_number(share)})"


def _balanced(text: str) -> bool:
    """Say whether every bracket is closed by its own kind, so that brackets put around the text are a pair."""
    pairs, opened = {")": "(", "]": "["}, [""]
    for mark in _MARKS.findall(re.sub(r"\\.", "", text, flags=re.DOTALL)):
        if mark in pairs.values():
            opened.append(mark)
        elif mark == "\\" or opened.pop() != pairs[mark]:
            return False
    return len(opened) == 1


def _number(share: float) -> str:
    """Return a share as prompts take numbers, which know no exponents."""
    return f"{share:.6f}".rstrip("0").rstrip(".")
