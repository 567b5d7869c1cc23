"""A template's parameters: what was passed, what is the default, and whether it may be so."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.patterns import TooSlowError, compiled, matches
from garret.local_cloud.ros.property_rules import FALSE, TRUE

TYPES = ("String", "Number", "CommaDelimitedList", "Json", "Boolean")
# Their values lie in a store that the local cloud does not have: they are checked, but no stack can be made from them.
TYPES_ELSEWHERE = ("ALIYUN::OOS::Parameter::Value", "ALIYUN::OOS::SecretParameter::Value")
NUMBERS = ("MaxLength", "MinLength", "MaxValue", "MinValue")
FLAGS = ("NoEcho", "Confirm", "Required", "ReadOnly", "TextArea")
FLAGS_BY_FORM = ("Required", "ReadOnly", "TextArea")  # may be a condition, which the console's form decides
KEYS = (
    *("Type", "Default", "AllowedValues", "AllowedPattern", "MaxLength", "MinLength", "MaxValue", "MinValue"),
    *("NoEcho", "Description", "ConstraintDescription", "Label", "AssociationProperty", "Confirm", "Required"),
    *("AssociationPropertyMetadata", "ReadOnly", "TextArea", "Placeholder"),
)
PASSED = 200
MASK = "******"


@dataclass(frozen=True)
class Parameter:
    """One parameter with its value in the parameter's own type; `value` of a NoEcho one is never shown.

    The value is None where nothing was passed and the default is null or the parameter is not required.
    """

    name: str
    type: str
    no_echo: bool
    value: Any
    text: str

    def shown(self) -> str:
        """The value as GetStack tells it."""
        return MASK if self.no_echo else self.text


def resolve_parameters(
    definitions: Mapping[str, Mapping[str, Any]], passed: Mapping[str, str], *, partial: bool = False
) -> dict[str, Parameter]:
    """Checks and types every value; with `partial`, parameters that were not passed are left out."""
    if len(passed) > PASSED:
        raise errors.validation_failed(f"{len(passed)} parameters were passed; at most {PASSED} are allowed.")
    for name in passed:
        if name not in definitions:
            raise errors.unknown_parameter(name, sorted(definitions))
    result = {}
    for name, definition in definitions.items():
        check_definition(name, definition)
        if definition["Type"] in TYPES_ELSEWHERE and partial:
            continue
        if definition["Type"] in TYPES_ELSEWHERE:
            raise errors.not_emulated(f"the value of a parameter of the type {definition['Type']} (Parameters.{name})")
        if name in passed and not _is_left_empty(definition, passed[name]):
            result[name] = parameter_of(name, definition, passed[name])
        elif "Default" in definition:
            result[name] = default_of(name, definition)
        elif not is_true(definition.get("Required", True)):
            result[name] = Parameter(name, str(definition["Type"]), is_true(definition.get("NoEcho")), None, "")
        elif not partial:
            raise errors.parameter_missing(name)
    return result


def _is_left_empty(definition: Mapping[str, Any], text: str) -> bool:
    """A form sends an empty text for a number, a flag or a JSON value that nobody filled in and that may be missing."""
    may_be_missing = not is_true(definition.get("Required", True)) or definition.get("Default", 0) is None
    return text == "" and definition["Type"] in ("Number", "Boolean", "Json") and may_be_missing


def check_definition(name: str, definition: Mapping[str, Any]) -> None:
    """The form of one entry of Parameters."""
    where = f"Parameters.{name}"
    for key in definition:
        if key not in KEYS:
            raise errors.invalid_schema(f"{where} has the unknown key {key}. Known: {', '.join(KEYS)}.")
    kind = definition.get("Type")
    if kind not in TYPES + TYPES_ELSEWHERE:
        known = ", ".join(TYPES + TYPES_ELSEWHERE)
        raise errors.invalid_schema(f"{where}.Type is {kind!r}; it must be one of {known}.")
    if not isinstance(definition.get("AllowedValues") or [], list):
        raise errors.invalid_schema(f"{where}.AllowedValues must be a list.")
    for key in NUMBERS:
        if not _is_number(definition.get(key)):
            raise errors.invalid_schema(f"{where}.{key} is {definition[key]!r}; it must be a number.")
    for key in FLAGS:
        if key in FLAGS_BY_FORM and isinstance(definition.get(key), dict):
            continue
        if str(definition.get(key, False)).lower() not in TRUE + FALSE:
            raise errors.invalid_schema(f"{where}.{key} is {definition[key]!r}; it must be true or false.")
    try:
        compiled(str(definition.get("AllowedPattern") or ""))
    except re.error as problem:
        raise errors.invalid_schema(f"{where}.AllowedPattern is no regular expression: {problem}.") from None
    if definition.get("Default") is not None and kind in TYPES:
        default_of(name, definition)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return value is None or isinstance(float(value), float)
    except (TypeError, ValueError, OverflowError):
        return False


def is_true(value: Any) -> bool:
    """A flag of a template, which may come as a text."""
    return str(value).lower() in TRUE


def default_of(name: str, definition: Mapping[str, Any]) -> Parameter:
    """The parameter with its default, which must keep its own rules; null keeps them always and an empty text too."""
    value = definition["Default"]
    no_echo = is_true(definition.get("NoEcho"))
    if value is None:
        return Parameter(name, definition["Type"], no_echo, None, "")
    if value == "":
        return Parameter(name, definition["Type"], no_echo, _of_nothing(str(definition["Type"])), "")
    if isinstance(value, list) and definition["Type"] == "CommaDelimitedList":
        value = ",".join(_text(item) for item in value)
    return parameter_of(name, definition, value if isinstance(value, str) else _text(value))


def _of_nothing(kind: str) -> Any:
    return [] if kind == "CommaDelimitedList" else "" if kind == "String" else None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def parameter_of(name: str, definition: Mapping[str, Any], text: str) -> Parameter:
    """The parameter with the value that was passed; raises StackValidationFailed with the rule it breaks."""
    kind = str(definition["Type"])
    no_echo = is_true(definition.get("NoEcho"))
    value = _typed(name, kind, text, MASK if no_echo else repr(text))
    _check(name, definition, value, text, MASK if no_echo else repr(text))
    return Parameter(name, kind, no_echo, value, text)


def _typed(name: str, kind: str, text: str, shown: str) -> Any:
    try:
        if kind == "Number":
            return int(text) if re.fullmatch(r"[+-]?\d+", text.strip()) else float(text)
        if kind == "Boolean":
            return {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}[text.strip().lower()]
        if kind == "Json":
            return json.loads(text)
    except (ValueError, KeyError, OverflowError, RecursionError):
        raise errors.validation_failed(f"Parameter {name}: {shown} is no {kind}.") from None
    if kind == "CommaDelimitedList":
        return [item.strip() for item in text.split(",")] if text else []
    return text


def _check(name: str, definition: Mapping[str, Any], value: Any, text: str, shown: str) -> None:
    problem = _allowed(definition, value) or _bounds(definition, value) or _pattern(definition, value, text)
    if problem:
        hint = definition.get("ConstraintDescription")
        more = f" ({localized(hint)})" if hint else ""
        raise errors.validation_failed(f"Parameter {name}: {shown} {problem}{more}.")


def localized(text: Any) -> str:
    """A text that may come as {en: …, zh-cn: …}."""
    if isinstance(text, dict):
        return str(text.get("en") or next(iter(text.values()), ""))
    return str(text)


def _allowed(definition: Mapping[str, Any], value: Any) -> str:
    allowed = definition.get("AllowedValues")
    if not allowed:
        return ""
    texts = {_text(item) for item in allowed}
    given = value if isinstance(value, list) else [value]
    if all(_text(item) in texts for item in given):
        return ""
    return f"is not one of {', '.join(sorted(texts))}"


def _bounds(definition: Mapping[str, Any], value: Any) -> str:
    for keys, measure, what in (
        (("MinLength", "MaxLength"), len(value) if isinstance(value, (str, list, dict)) else None, "length"),
        (("MinValue", "MaxValue"), value if isinstance(value, (int, float)) else None, "value"),
    ):
        low, high = (None if definition.get(key) is None else float(definition[key]) for key in keys)
        if measure is None or isinstance(value, bool):
            continue
        if (low is not None and measure < low) or (high is not None and measure > high):
            limits = [f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else ""]
            return f"has the wrong {what}: it must be {' and '.join(text for text in limits if text)}"
    return ""


def _pattern(definition: Mapping[str, Any], value: Any, text: str) -> str:
    pattern = definition.get("AllowedPattern")
    if not pattern or not isinstance(value, (str, int, float)):
        return ""
    try:
        return "" if matches(str(pattern), text) else f"does not match the pattern {pattern}"
    except TooSlowError as problem:
        return f"cannot be matched with the pattern {pattern}: {problem}"
