"""The template functions that make texts, from arguments that are evaluated already."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.function_forms import listed, text_of, whole, wrong
from garret.local_cloud.ros.patterns import TooSlowError, matches

_FIRST_LINE = 4


def _join(arguments: Any, where: str) -> str:
    form = "[delimiter, list of texts]"
    delimiter, items = listed(arguments, where, form, 2)
    if not isinstance(delimiter, str):
        raise wrong(where, f"{form}; the first is no text")
    if items is None:
        return ""
    if not isinstance(items, list) or any(isinstance(item, (list, dict)) for item in items):
        raise wrong(where, f"{form}; the second is no list of texts and numbers")
    return delimiter.join(text_of(item, where) for item in items)


def _split(arguments: Any, where: str) -> list[str]:
    delimiter, text = listed(arguments, where, "[delimiter, text]", 2)
    if not isinstance(delimiter, str) or not delimiter:
        raise wrong(where, "[delimiter, text] with a delimiter that is a text and not empty")
    if text is None:
        return []
    if isinstance(text, list):  # a CommaDelimitedList is split already
        return text
    if isinstance(text, dict):
        raise wrong(where, "[delimiter, text]; the second is a map")
    return text_of(text, where).split(delimiter)


def _replace(arguments: Any, where: str) -> str | None:
    form = "[map of texts to replace, text]"
    words, text = listed(arguments, where, form, 2)
    if not isinstance(words, dict) or isinstance(text, (list, dict)):
        raise wrong(where, form)
    if text is None:
        return None
    values = {str(word): text_of(value, where) for word, value in words.items()}
    if "" in values:
        raise wrong(where, f"{form} without an empty text to replace")
    if not values:
        return text_of(text, where)
    # Longest first and in one pass: what was put in is not replaced again.
    pattern = "|".join(re.escape(word) for word in sorted(values, key=len, reverse=True))
    return re.sub(pattern, lambda match: values[match.group()], text_of(text, where))


def _base64(arguments: Any, where: str) -> str | None:
    if arguments is None:
        return None
    return base64.b64encode(text_of(arguments, where).encode()).decode()


def _base64_decode(arguments: Any, where: str) -> str | None:
    if arguments is None:
        return None
    try:
        return base64.b64decode(text_of(arguments, where), validate=True).decode()
    except (binascii.Error, ValueError):
        raise wrong(where, "Base64 of UTF-8 text") from None


def _str(arguments: Any, where: str) -> str:
    return text_of(arguments, where)


def _indent(arguments: Any, where: str) -> str | None:
    """Every line further in by Level times Size spaces; empty lines stay empty."""
    if arguments is None:
        return None
    form = "[text, level, size, whether the first line as well]"
    text, level, size, first = (*listed(arguments, where, form, 2, 3, 4), *(2, True))[:_FIRST_LINE]
    if len(arguments) == 3:
        first = True
    if not isinstance(text, str):
        raise wrong(where, f"{form}; the first is no text")
    margin = " " * (whole(level, where, "level", 0, 20) * whole(size, where, "size", 0, 4))
    lines = text.splitlines(keepends=True)
    return "".join(
        f"{margin}{line}" if line.strip() and (number or first) else line for number, line in enumerate(lines)
    )


def _match_pattern(arguments: Any, where: str) -> bool:
    pattern, text = listed(arguments, where, "[regular expression, text]", 2)
    if not isinstance(pattern, str) or isinstance(text, (list, dict)):
        raise wrong(where, "[regular expression, text]")
    try:
        return matches(pattern, text_of(text, where))
    except (re.error, TooSlowError) as problem:
        raise errors.validation_failed(f"{where}: the pattern {pattern!r} cannot be used: {problem}.") from None


TEXTS: dict[str, Callable[[Any, str], Any]] = {
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Replace": _replace,
    "Fn::Base64": _base64,
    "Fn::Base64Encode": _base64,
    "Fn::Base64Decode": _base64_decode,
    "Fn::Str": _str,
    "Fn::Indent": _indent,
    "Fn::MatchPattern": _match_pattern,
}
