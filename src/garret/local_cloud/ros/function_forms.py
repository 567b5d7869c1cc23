"""What functions of every kind need: the refusal of wrong arguments, and values as text, numbers and lists."""

import json
from typing import Any

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.scope import NO_VALUE


def wrong(where: str, form: str) -> ApiError:
    """The refusal of arguments that do not have the function's form."""
    return errors.validation_failed(f"{where} must be {form}.")


def listed(arguments: Any, where: str, form: str, *lengths: int) -> list[Any]:
    """The arguments as a list of one of these lengths."""
    if not isinstance(arguments, list) or len(arguments) not in lengths:
        raise wrong(where, form)
    return arguments


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


def whole(value: Any, where: str, what: str, low: int, high: int) -> int:
    """A whole number between two bounds; text of digits counts."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong(where, f"called with a whole number as its {what}") from None
    if isinstance(value, float) and value != number:
        raise wrong(where, f"called with a whole number as its {what}")
    if not low <= number <= high:
        raise wrong(where, f"called with {low} to {high} as its {what}")
    return number


def number_of(value: Any, where: str) -> int | float:
    """A number, or a text that is one; nothing counts as 0."""
    if value is None:
        return 0
    if isinstance(value, (int, float)):
        return value
    try:
        return int(value)
    except (TypeError, ValueError):
        pass
    try:
        return float(value)
    except (TypeError, ValueError):
        raise wrong(where, f"called with numbers; {value!r} is none") from None


def parsed(value: Any, where: str, form: str) -> Any:
    """JSON text as what it says; everything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise wrong(where, f"{form}; a text there must be JSON") from None
