"""jq's built-in functions that the local cloud has, and how jq compares and adds values."""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from typing import Any

from garret.local_cloud.ros.patterns import TooSlowError, matches

LARGEST = 1_000_000


class JqError(ValueError):
    """The filter cannot be read, is not emulated, or fails on its input."""


def kind_of(value: Any) -> str:
    """The name that jq gives to a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    kinds = {int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "unknown")


def order(value: Any) -> Any:
    """What jq sorts by: null, false, true, numbers, texts, arrays, objects."""
    ranks = {"null": 0, "number": 3, "string": 4, "array": 5, "object": 6}
    kind = kind_of(value)
    if kind == "boolean":
        return (2 if value else 1, 0)
    if kind == "array":
        return (5, [order(item) for item in value])
    if kind == "object":
        return (6, sorted(value), [order(value[key]) for key in sorted(value)])
    return (ranks[kind], 0 if value is None else value)


def equal(first: Any, second: Any) -> bool:
    """jq's ==: 1 and 1.0 are the same, 1 and true are not."""
    return bool(order(first) == order(second))


def truthy(value: Any) -> bool:
    """Everything but null and false."""
    return value is not None and value is not False


def text(value: Any) -> str:
    """tostring: a text stays as it is, everything else becomes JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _same(first: Any, second: Any, *kinds: str) -> bool:
    return kind_of(first) == kind_of(second) and kind_of(first) in kinds


def add(first: Any, second: Any) -> Any:
    """jq's +: numbers, texts, arrays and objects; null adds nothing."""
    if first is None or second is None:
        return second if first is None else first
    if _same(first, second, "number"):
        return first + second
    if _same(first, second, "string", "array"):
        if len(first) + len(second) > LARGEST:
            raise JqError(f"the result has more than {LARGEST} entries")
        return first + second
    if _same(first, second, "object"):
        return {**first, **second}
    raise JqError(f"{kind_of(first)} and {kind_of(second)} cannot be added")


def subtract(first: Any, second: Any) -> Any:
    """jq's -: numbers, and arrays without what the second has."""
    if _same(first, second, "number"):
        return first - second
    if _same(first, second, "array"):
        return [item for item in first if not any(equal(item, other) for other in second)]
    raise JqError(f"{kind_of(first)} and {kind_of(second)} cannot be subtracted")


def multiply(first: Any, second: Any) -> Any:
    """jq's * of numbers."""
    if _same(first, second, "number"):
        return first * second
    raise JqError(f"{kind_of(first)} and {kind_of(second)} cannot be multiplied")


def divide(first: Any, second: Any) -> Any:
    """jq's /: numbers, and a text split at another."""
    if _same(first, second, "number") and second != 0:
        result = first / second
        return int(result) if result == int(result) else result
    if _same(first, second, "string"):
        return first.split(second) if second else list(first)
    raise JqError(f"{kind_of(first)} and {kind_of(second)} cannot be divided")


def remainder(first: Any, second: Any) -> Any:
    """jq's % of whole numbers; the sign is that of the first."""
    if _same(first, second, "number") and int(second) != 0:
        return int(math.fmod(int(first), int(second)))
    raise JqError(f"{kind_of(first)} and {kind_of(second)} cannot be divided")


def _need(value: Any, *kinds: str) -> Any:
    if kind_of(value) not in kinds:
        raise JqError(f"{kind_of(value)} ({text(value)[:40]}) where {' or '.join(kinds)} is needed")
    return value


def _length(value: Any) -> Any:
    if value is None:
        return 0
    return abs(value) if kind_of(_need(value, "number", "string", "array", "object")) == "number" else len(value)


def _keys(value: Any) -> list[Any]:
    return sorted(value) if isinstance(_need(value, "object", "array"), dict) else list(range(len(value)))


def _total(value: Any) -> Any:
    total = None
    for item in value.values() if isinstance(value, dict) else _need(value, "array"):
        total = add(total, item)
    return total


def _number(value: Any) -> Any:
    if kind_of(_need(value, "number", "string")) == "number":
        return value
    try:
        return int(value) if re.fullmatch(r"-?\d+", value) else float(value)
    except ValueError:
        raise JqError(f"{value!r} is no number") from None


def _unique(value: Any) -> list[Any]:
    found: list[Any] = []
    for item in sorted(_need(value, "array"), key=order):
        if not found or not equal(found[-1], item):
            found.append(item)
    return found


def _from_entries(value: Any) -> dict[str, Any]:
    result = {}
    for item in _need(value, "array"):
        key = next((item[name] for name in ("key", "k", "name", "Key", "Name", "K") if name in item), None)
        result[text(key)] = next((item[name] for name in ("value", "v", "Value", "V") if name in item), None)
    return result


def _flatten(value: Any) -> list[Any]:
    return [entry for item in _need(value, "array") for entry in (_flatten(item) if isinstance(item, list) else [item])]


def _from_json(value: Any) -> Any:
    try:
        return json.loads(_need(value, "string"))
    except (ValueError, RecursionError):
        raise JqError("fromjson of a text that is no JSON") from None


def _decoded(value: Any) -> str:
    try:
        return base64.b64decode(_need(value, "string")).decode()
    except (binascii.Error, ValueError):
        raise JqError("@base64d of a text that is no Base64") from None


PLAIN: dict[str, Callable[[Any], Any]] = {
    "length": _length,
    "keys": _keys,
    "keys_unsorted": lambda value: list(_need(value, "object")),
    "not": lambda value: not truthy(value),
    "add": _total,
    "type": kind_of,
    "tostring": text,
    "tonumber": _number,
    "tojson": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    "fromjson": _from_json,
    "ascii_downcase": lambda value: _need(value, "string").lower(),
    "ascii_upcase": lambda value: _need(value, "string").upper(),
    "floor": lambda value: math.floor(_need(value, "number")),
    "ceil": lambda value: math.ceil(_need(value, "number")),
    "sort": lambda value: sorted(_need(value, "array"), key=order),
    "unique": _unique,
    "reverse": lambda value: [] if value is None else _need(value, "array", "string")[::-1],
    "min": lambda value: min(_need(value, "array"), key=order, default=None),
    "max": lambda value: max(_need(value, "array"), key=order, default=None),
    "any": lambda value: any(truthy(item) for item in _need(value, "array")),
    "all": lambda value: all(truthy(item) for item in _need(value, "array")),
    "flatten": _flatten,
    "first": lambda value: _need(value, "array")[0] if value else None,
    "last": lambda value: _need(value, "array")[-1] if value else None,
    "to_entries": lambda value: [{"key": key, "value": item} for key, item in _need(value, "object").items()],
    "from_entries": _from_entries,
    "@base64": lambda value: base64.b64encode(text(value).encode()).decode(),
    "@base64d": _decoded,
    "@text": text,
    "@json": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
}


def _has(value: Any, key: Any) -> bool:
    if isinstance(_need(value, "object", "array"), dict):
        return key in value
    return isinstance(key, int) and 0 <= key < len(value)


def _contains(value: Any, other: Any) -> bool:
    if isinstance(value, dict) and isinstance(other, dict):
        return all(key in value and _contains(value[key], item) for key, item in other.items())
    if isinstance(value, list) and isinstance(other, list):
        return all(any(_contains(item, wanted) for item in value) for wanted in other)
    if isinstance(value, str) and isinstance(other, str):
        return other in value
    return equal(value, other)


def _join(value: Any, between: Any) -> str:
    return str(_need(between, "string")).join(
        "" if item is None else text(_need(item, "string", "number", "boolean")) for item in _need(value, "array")
    )


def _test(value: Any, pattern: Any) -> bool:
    try:
        return matches(_need(pattern, "string"), _need(value, "string"), whole=False)
    except (re.error, TooSlowError) as problem:
        raise JqError(f"the pattern {pattern!r} cannot be used: {problem}") from None


def _split(value: Any, between: Any) -> list[str]:
    return list(divide(_need(value, "string"), _need(between, "string")))


WITH_VALUE: dict[str, Callable[[Any, Any], Any]] = {
    "has": _has,
    "contains": _contains,
    "inside": lambda value, other: _contains(other, value),
    "join": _join,
    "split": _split,
    "test": _test,
    "startswith": lambda value, other: _need(value, "string").startswith(_need(other, "string")),
    "endswith": lambda value, other: _need(value, "string").endswith(_need(other, "string")),
    "ltrimstr": lambda value, other: value.removeprefix(other) if isinstance(value, str) else value,
    "rtrimstr": lambda value, other: value.removesuffix(other) if isinstance(value, str) else value,
    "index": lambda value, other: value.index(other) if other in _need(value, "string", "array") else None,
}
