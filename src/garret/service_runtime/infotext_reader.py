"""Reads the text that tells what a picture was made from, A1111's as well as ours, back into a request's fields."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from garret.service_runtime.errors import ServiceError
from garret.service_runtime.infotext_keys import PAIRS, SIGNS
from garret.service_runtime.samplers import find_sampler

NEGATIVE = "Negative prompt:"
EXACT_PROMPT, EXACT_NEGATIVE = "Exact prompt", "Exact negative prompt"
# A1111's own rule, with bounds: a last line without three of these is one more line of words.
_PAIR = re.compile(r'\s*(\w[\w \-/]{1,60}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_FEWEST_PAIRS = 3
_LONGEST = 1_000_000


@dataclass(frozen=True)
class Infotext:
    """A text taken apart: the words, and the pairs of its last line with quotes removed."""

    prompt: str
    negative_prompt: str
    pairs: dict[str, str]


def split(text: str) -> Infotext:
    """Take a text apart; never fails: what has no line of pairs is all words."""
    text = text[:_LONGEST].rstrip()
    head, _, last = text.rpartition("\n")
    pairs = {key: _unquoted(value) for key, value in _PAIR.findall(last)}
    if len(pairs) < _FEWEST_PAIRS:
        head, pairs = text, {}
    lines = head.split("\n")
    at = next((at for at, line in enumerate(lines) if line.startswith(NEGATIVE)), len(lines))
    words = "\n".join(lines[:at])
    negative = "\n".join(lines[at:]).removeprefix(NEGATIVE).removeprefix(" ")
    return Infotext(pairs.pop(EXACT_PROMPT, words), pairs.pop(EXACT_NEGATIVE, negative), pairs)


def request_fields(text: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what a text says of a request, as `ImageRequest.from_dict` takes it, and the pairs that are no field.

    Only what is said is there: what is not, the caller knows a default for. Values out of range are refused there.
    """
    read = split(text)
    pairs = _own_names(dict(read.pairs))
    found: dict[str, Any] = {}
    for pair in PAIRS:
        if pair.key in pairs:
            try:
                values = pair.read(pairs[pair.key])
            except (ValueError, KeyError):
                continue
            found.update(zip(pair.fields, values, strict=True))
            del pairs[pair.key]
    absent = tuple(part + "." for part, signs in SIGNS.items() if not any(sign in found for sign in signs))
    pairs.update({pair.key: read.pairs.get(pair.key, "") for pair in PAIRS if _is_of(pair.fields, absent, found)})
    told = {name: value for name, value in found.items() if not name.startswith(absent)}
    nested = _nested({"prompt": read.prompt, "negative_prompt": read.negative_prompt, **told})
    return _with_sampler(nested), {key: value for key, value in pairs.items() if value}


def _own_names(pairs: dict[str, str]) -> dict[str, str]:
    """Give the strength of a second pass its own name: A1111 has one for it and for a picture to begin from."""
    second = any(key in pairs for key in ("Hires upscale", "Hires resize", "Hires upscaler"))
    if second and "Init image hash" not in pairs and "Denoising strength" in pairs:
        pairs["Hires denoising strength"] = pairs.pop("Denoising strength")
    return pairs


def _is_of(names: tuple[str, ...], absent: tuple[str, ...], found: dict[str, Any]) -> bool:
    return names[0] in found and names[0].startswith(absent)


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *parts, last = name.split(".")
        record = nested
        for part in parts:
            record = record.setdefault(part, {})
        record[last] = value
    return nested


def _with_sampler(fields: dict[str, Any]) -> dict[str, Any]:
    """Give sampler and schedule their names: older texts have both in one, "DPM++ 2M Karras"."""
    if "sampler" in fields:
        try:
            sampler, schedule = find_sampler(fields["sampler"], fields.get("schedule", ""))
        except ServiceError:
            return fields  # Refused by name when a picture is asked for with it.
        fields.update(sampler=sampler.name, schedule=schedule.name)
    return fields


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    try:
        read = json.loads(value)
    except ValueError:
        return value
    return read if isinstance(read, str) else value
