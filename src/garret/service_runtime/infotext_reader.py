"""Reads the text that tells what a picture was made from, A1111's as well as ours, back into a request's fields."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from garret.service_runtime.errors import ServiceError
from garret.service_runtime.infotext_keys import PAIRS, SIGNS
from garret.service_runtime.samplers import find_sampler

NEGATIVE = "Negative prompt:"
EXACT_PROMPT, EXACT_NEGATIVE = "Exact prompt", "Exact negative prompt"
# A1111's own rule, with bounds: a last line without three of these is one more line of words. A1111's pattern also has
# the blanks before a name in it, by which 16,000 of them took ten seconds: texts come from anybody.
_PAIR = re.compile(r'(?<!\w)(\w[\w \-/]{1,60}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_FEWEST_PAIRS = 3
_LONGEST = 1_000_000
_LONGEST_LINE = 200_000
_AS_FIRST = ("Use same sampler", "Use same scheduler")
_ANY = "Euler"


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
    pairs = {key: _unquoted(value) for key, value in _PAIR.findall(last[:_LONGEST_LINE])}
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
    _name_samplers(nested)
    return nested, {key: value for key, value in pairs.items() if value}


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


def _name_samplers(fields: dict[str, Any]) -> None:
    """Give samplers and schedules their names: labels are written, and older texts have both in one."""
    again = fields.get("hires", {})
    for name in ("sampler", "schedule"):
        if again.get(name) in _AS_FIRST:
            del again[name]
    for record in (fields, again):
        named, spacing = record.get("sampler", ""), record.get("schedule", "")
        if named or spacing:
            # What is not known is refused by its name when a picture is asked for with it.
            with suppress(ServiceError):
                sampler, schedule = find_sampler(named or _ANY, spacing)
                if named:
                    record["sampler"] = sampler.name
                if spacing or record is fields or schedule.name != "automatic":
                    record["schedule"] = schedule.name


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    try:
        read = json.loads(value)
    except ValueError:
        return value
    return read if isinstance(read, str) else value
