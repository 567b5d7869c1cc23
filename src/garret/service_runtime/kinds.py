"""Whether values are of the kinds that a record's fields declare: what comes over the wire may be anything."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any

from garret.service_runtime.errors import BadRequest

_WORDS: Mapping[object, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def check_kinds(record: type, values: Mapping[str, Any], prefix: str = "") -> None:
    """Refuse a value that is not of its field's kind; a whole number is a number, and true is neither.

    Raises:
        BadRequest: names the field, after `prefix`.
    """
    for name, hint in _hints(record).items():
        if name in values and not _fits(hint, values[name]):
            raise BadRequest(f"{prefix}{name}", f"must be {_word(hint)}")


@cache
def _hints(record: type) -> Mapping[str, Any]:
    return typing.get_type_hints(record)


def _fits(hint: Any, value: object) -> bool:
    if _is_choice(hint):
        return any(_fits(one, value) for one in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return isinstance(value, (tuple, list)) and all(_fits(typing.get_args(hint)[0], one) for one in value)
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    return isinstance(value, hint)


def _word(hint: Any) -> str:
    if _is_choice(hint):
        hint = next(one for one in typing.get_args(hint) if one is not NoneType)
    if typing.get_origin(hint) is tuple:
        return "a list" + (" of texts" if typing.get_args(hint)[0] is str else "")
    return _WORDS.get(hint, "an object")


def _is_choice(hint: Any) -> bool:
    return isinstance(hint, UnionType) or typing.get_origin(hint) is typing.Union
