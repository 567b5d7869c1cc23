"""A template's parameters: what was passed, what is the default, and whether it may be so."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from garret.local_cloud.ros import errors

TYPES = ("String", "Number", "CommaDelimitedList", "Json", "Boolean")
TYPES_ELSEWHERE = ("ALIYUN::OOS::Parameter::Value", "ALIYUN::OOS::SecretParameter::Value")
KEYS = (
    *("Type", "Default", "AllowedValues", "AllowedPattern", "MaxLength", "MinLength", "MaxValue", "MinValue"),
    *("NoEcho", "Description", "ConstraintDescription", "Label", "AssociationProperty", "Confirm", "Required"),
    *("AssociationPropertyMetadata", "ReadOnly", "TextArea", "Placeholder"),
)
PASSED = 200
MASK = "******"


@dataclass(frozen=True)
class Parameter:
    """One parameter with its value in the parameter's own type; `value` of a NoEcho one is never shown."""

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
        if name in passed:
            result[name] = _given(name, definition, passed[name])
        elif "Default" in definition:
            result[name] = _default(name, definition)
        elif not partial:
            raise errors.parameter_missing(name)
    return result


def check_definition(name: str, definition: Mapping[str, Any]) -> None:
    """The form of one entry of Parameters."""
    where = f"Parameters.{name}"
    if not re.fullmatch(r"[A-Za-z0-9]+", name):
        raise errors.invalid_schema(f"{where}: a parameter's name has letters and digits only.")
    for key in definition:
        if key not in KEYS:
            raise errors.invalid_schema(f"{where} has the unknown key {key}. Known: {', '.join(KEYS)}.")
    kind = definition.get("Type")
    if kind in TYPES_ELSEWHERE:
        raise errors.not_emulated(f"the parameter type {kind} ({where})")
    if kind not in TYPES:
        raise errors.invalid_schema(f"{where}.Type is {kind!r}; it must be one of {', '.join(TYPES)}.")
    if not isinstance(definition.get("AllowedValues", []), list):
        raise errors.invalid_schema(f"{where}.AllowedValues must be a list.")
    try:
        re.compile(str(definition.get("AllowedPattern", "")))
    except re.error as problem:
        raise errors.invalid_schema(f"{where}.AllowedPattern is no regular expression: {problem}.") from None


def _no_echo(definition: Mapping[str, Any]) -> bool:
    return str(definition.get("NoEcho", False)).lower() == "true"


def _default(name: str, definition: Mapping[str, Any]) -> Parameter:
    value = definition["Default"]
    if value is None:  # the vendor takes it as an empty string and checks nothing
        return Parameter(name, definition["Type"], _no_echo(definition), "", "")
    text = value if isinstance(value, str) else _text(value)
    return _given(name, definition, text)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _given(name: str, definition: Mapping[str, Any], text: str) -> Parameter:
    kind = str(definition["Type"])
    no_echo = _no_echo(definition)
    value = _typed(name, kind, text, MASK if no_echo else repr(text))
    _check(name, definition, value, text, MASK if no_echo else repr(text))
    return Parameter(name, kind, no_echo, value, text)


def _typed(name: str, kind: str, text: str, shown: str) -> Any:
    try:
        if kind == "Number":
            return int(text) if re.fullmatch(r"[+-]?\d+", text.strip()) else float(text)
        if kind == "Boolean":
            return {"true": True, "false": False}[text.strip().lower()]
        if kind == "Json":
            return json.loads(text)
    except (ValueError, KeyError):
        raise errors.validation_failed(f"Parameter {name}: {shown} is no {kind}.") from None
    if kind == "CommaDelimitedList":
        return [item.strip() for item in text.split(",")] if text else []
    return text


def _check(name: str, definition: Mapping[str, Any], value: Any, text: str, shown: str) -> None:
    problem = _allowed(definition, value) or _bounds(definition, value) or _pattern(definition, value, text)
    if problem:
        hint = definition.get("ConstraintDescription")
        more = f" ({_localized(hint)})" if hint else ""
        raise errors.validation_failed(f"Parameter {name}: {shown} {problem}{more}.")


def _localized(text: Any) -> str:
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
        if measure is None or isinstance(measure, bool):
            continue
        if (low is not None and measure < low) or (high is not None and measure > high):
            limits = [f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else ""]
            return f"has the wrong {what}: it must be {' and '.join(text for text in limits if text)}"
    return ""


def _pattern(definition: Mapping[str, Any], value: Any, text: str) -> str:
    pattern = definition.get("AllowedPattern")
    if pattern is None or not isinstance(value, (str, int, float)) or re.fullmatch(str(pattern), text):
        return ""
    return f"does not match the pattern {pattern}"
