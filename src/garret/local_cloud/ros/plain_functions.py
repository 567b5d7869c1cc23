"""The template functions that need nothing but their arguments, which are evaluated already."""

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.scope import NO_VALUE


def wrong(where: str, form: str) -> ApiError:
    """The refusal of arguments that do not have the function's form."""
    return errors.validation_failed(f"{where} must be {form}.")


def text_of(value: Any, where: str) -> str:
    """A value as it stands inside a longer text: maps and lists as JSON, nothing as the empty string."""
    if value is None or value is NO_VALUE:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    raise wrong(where, "a text, a number, a map or a list")


def _equals(arguments: Any, where: str) -> bool:
    if not isinstance(arguments, list) or len(arguments) != 2:
        raise wrong(where, "[one value, another value]")
    first, second = arguments
    return type(first) is type(second) and bool(first == second) if isinstance(first, bool) else bool(first == second)


def _join(arguments: Any, where: str) -> str:
    if not isinstance(arguments, list) or len(arguments) != 2 or not isinstance(arguments[0], str):
        raise wrong(where, "[delimiter, list of texts]")
    if not isinstance(arguments[1], list):
        raise wrong(where, "[delimiter, list of texts]; the second is no list")
    return arguments[0].join(text_of(item, where) for item in arguments[1])


def _select(arguments: Any, where: str) -> Any:
    if not isinstance(arguments, list) or len(arguments) not in (2, 3):
        raise wrong(where, "[index or key, list or map] with a default if wanted")
    key, values = arguments[0], arguments[1]
    default = arguments[2] if len(arguments) == 3 else ""
    if isinstance(values, str):
        values = _parsed(values, where)
    if isinstance(values, dict):
        return values.get(text_of(key, where), default)
    if not isinstance(values, list):
        raise wrong(where, "[index or key, list or map]; the second is neither")
    if not re.fullmatch(r"-?\d+", text_of(key, where)):
        raise errors.not_emulated(f"Fn::Select with the index {key!r} ({where}); a whole number is")
    index = int(key)
    return values[index] if -len(values) <= index < len(values) else default


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise wrong(where, "[index or key, list or map]; the second is a text that is no JSON") from None


def _replace(arguments: Any, where: str) -> str:
    form = "[map of texts to replace, text]"
    if not isinstance(arguments, list) or len(arguments) != 2 or not isinstance(arguments[0], dict):
        raise wrong(where, form)
    text = text_of(arguments[1], where)
    words = {str(word): text_of(value, where) for word, value in arguments[0].items()}
    if "" in words:
        raise wrong(where, f"{form} without an empty text to replace")
    if not words:
        return text
    # Longest first and in one pass: what was put in is not replaced again.
    pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.sub(pattern, lambda match: words[match.group()], text)


def _split(arguments: Any, where: str) -> list[str]:
    if not isinstance(arguments, list) or len(arguments) != 2 or not arguments[0]:
        raise wrong(where, "[delimiter, text]")
    if isinstance(arguments[1], list):
        return arguments[1]
    return text_of(arguments[1], where).split(str(arguments[0]))


def _base64(arguments: Any, where: str) -> str:
    return base64.b64encode(text_of(arguments, where).encode()).decode()


def _base64_decode(arguments: Any, where: str) -> str:
    try:
        return base64.b64decode(text_of(arguments, where), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise wrong(where, "Base64 of UTF-8 text") from None


def _str(arguments: Any, where: str) -> str:
    return text_of(arguments, where)


def _length(arguments: Any, where: str) -> int:
    if not isinstance(arguments, (list, dict, str)):
        raise wrong(where, "a list, a map or a text")
    return len(arguments)


def _list_merge(arguments: Any, where: str) -> list[Any]:
    if not isinstance(arguments, list) or not all(isinstance(item, list) for item in arguments):
        raise wrong(where, "a list of lists")
    return [entry for item in arguments for entry in item]


def _contains(arguments: Any, where: str) -> bool:
    if not isinstance(arguments, list) or len(arguments) != 2 or not isinstance(arguments[0], (list, dict)):
        raise wrong(where, "[list, value]")
    return arguments[1] in arguments[0]


def _get_json_value(arguments: Any, where: str) -> Any:
    if not isinstance(arguments, list) or len(arguments) != 2:
        raise wrong(where, "[key, JSON text]")
    value = _parsed(arguments[1], where) if isinstance(arguments[1], str) else arguments[1]
    if not isinstance(value, dict):
        raise wrong(where, "[key, JSON text of a map]")
    return value.get(text_of(arguments[0], where), "")


PLAIN: dict[str, Callable[[Any, str], Any]] = {
    "Fn::Equals": _equals,
    "Fn::Join": _join,
    "Fn::Select": _select,
    "Fn::Replace": _replace,
    "Fn::Split": _split,
    "Fn::Base64": _base64,
    "Fn::Base64Encode": _base64,
    "Fn::Base64Decode": _base64_decode,
    "Fn::Str": _str,
    "Fn::Length": _length,
    "Fn::ListMerge": _list_merge,
    "Fn::Contains": _contains,
    "Fn::GetJsonValue": _get_json_value,
}
