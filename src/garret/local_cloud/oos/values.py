"""What a template writes for a value: {{ references }}, alone or inside a text, and the functions that are here."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from garret.local_cloud.clock import parse_stamp
from garret.local_cloud.ros.jq import run_jq
from garret.local_cloud.ros.jq_values import JqError

REFERENCE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:Z|[+-]\d{2}:?\d{2})?")


class WrongValue(ValueError):
    """A value of a template that cannot be worked out; says which and why."""


def resolve(value: Any, scope: Mapping[str, Any]) -> Any:
    """The value with every reference and function in it worked out.

    Errors: WrongValue for a name that is not in `scope`, or a function that is not here.
    """
    if isinstance(value, str):
        return _text(value, scope)
    if isinstance(value, list):
        return [resolve(one, scope) for one in value]
    if isinstance(value, dict):
        name = next(iter(value), "")
        if len(value) == 1 and isinstance(name, str) and name.startswith("Fn::"):
            return _function(name, value[name], scope)
        return {key: resolve(one, scope) for key, one in value.items()}
    return value


def _text(text: str, scope: Mapping[str, Any]) -> Any:
    whole = REFERENCE.fullmatch(text.strip())
    if whole:
        return look_up(whole[1], scope)
    return REFERENCE.sub(lambda found: as_text(look_up(found[1], scope)), text)


def look_up(name: str, scope: Mapping[str, Any]) -> Any:
    """What a reference means; the vendor's own names may be written in any case."""
    key = "ACS::" + name[5:] if name[:5].upper() == "ACS::" else name
    if key not in scope:
        raise WrongValue(f"{{{{ {name} }}}}: there is no such parameter or output here")
    return scope[key]


def as_text(value: Any) -> str:
    """A value inside a text: maps and lists as JSON, truth as true and false, nothing as nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def references(value: Any) -> list[str]:
    """Every name that a value refers to."""
    if isinstance(value, str):
        return REFERENCE.findall(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [name for part in parts for name in references(part)]


def functions(value: Any) -> list[str]:
    """Every function that a value calls."""
    own = [name for name in value if str(name).startswith("Fn::")] if isinstance(value, dict) else []
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [*own, *(name for part in parts for name in functions(part))]


def select(selector: str, source: Any) -> list[Any]:
    """What a selector ("Instances.Instance[].Status") finds in an answer; WrongValue when it cannot be read."""
    script = selector if selector.lstrip().startswith(".") else f".{selector.lstrip()}"
    try:
        return run_jq(script, source)
    except JqError as error:
        raise WrongValue(f"the selector {selector!r}: {error}") from None


def shaped(found: list[Any], kind: str) -> Any:
    """What a selector found, as the declared type: a List holds all, anything else is the first."""
    if kind == "List":
        return found[0] if len(found) == 1 and isinstance(found[0], list) else found
    first = found[0] if found else None
    if kind == "String" and not isinstance(first, str):
        return as_text(first)
    return first


def duration(text: Any) -> timedelta:
    """An ISO 8601 duration like PT30M or P1DT2H; WrongValue otherwise."""
    found = _DURATION.fullmatch(str(text))
    if found is None or not any(found.groups()):
        raise WrongValue(f"{text!r} is no duration like PT30M")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _function(name: str, given: Any, scope: Mapping[str, Any]) -> Any:
    if name not in FUNCTIONS:
        raise WrongValue(f"{name}: the local cloud has {', '.join(sorted(FUNCTIONS))}")
    if name == "Fn::If":  # only the branch that is taken need make sense
        condition, yes, no = given
        return resolve(yes if _true(resolve(condition, scope)) else no, scope)
    value = resolve(given, scope)
    try:
        return FUNCTIONS[name](value)
    except WrongValue:
        raise
    except (TypeError, ValueError, KeyError, IndexError, binascii.Error) as error:
        raise WrongValue(f"{name}: {type(error).__name__}: {error}") from None


def _true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _select(value: Any) -> Any:
    index, among = value
    return among[str(index)] if isinstance(among, dict) else among[int(index)]


def _between(value: Any) -> str:
    first, second = (_moment(str(one)) for one in value)
    seconds = second - first
    if seconds < 0:
        seconds += 86_400  # times of day: until the same hour of tomorrow
    return f"PT{seconds}S"


def _moment(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found:
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds
    return int(parse_stamp(text).timestamp())


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "Fn::If": lambda value: value,
    "Fn::Equals": lambda value: value[0] == value[1],
    "Fn::Not": lambda value: not _true(value[0] if isinstance(value, list) else value),
    "Fn::And": lambda value: all(_true(one) for one in value),
    "Fn::Or": lambda value: any(_true(one) for one in value),
    "Fn::Join": lambda value: str(value[0]).join(as_text(one) for one in value[1]),
    "Fn::Split": lambda value: str(value[1]).split(str(value[0])),
    "Fn::Select": _select,
    "Fn::First": lambda value: value[0],
    "Fn::Last": lambda value: value[-1],
    "Fn::ListJoin": lambda value: [part for one in value for part in (one if isinstance(one, list) else [one])],
    "Fn::Base64Encode": lambda value: base64.b64encode(as_text(value).encode()).decode(),
    "Fn::Base64Decode": lambda value: base64.b64decode(as_text(value), validate=True).decode("utf-8", "replace"),
    "Fn::DurationBetween": _between,
}
