"""Checks a resource's properties against what the vendor says of its type."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.dynamic import is_dynamic
from garret.local_cloud.ros.facts import Facts, Rule
from garret.local_cloud.ros.patterns import TooSlowError, matches
from garret.local_cloud.ros.scope import NO_VALUE, UNKNOWN

TRUE, FALSE = ("1", "t", "true", "on", "y", "yes"), ("0", "f", "false", "off", "n", "no")


def check_properties(facts: Facts, name: str, values: Mapping[str, Any]) -> None:
    """Raises StackValidationFailed naming the first property that breaks a rule; UNKNOWN values pass."""
    for problem in _of_map(facts.properties, values, f"Resources.{name}.Properties", facts.name):
        raise problem


def _of_map(rules: Mapping[str, Rule], values: Mapping[str, Any], where: str, kind: str) -> Iterator[ApiError]:
    for key in values:
        if key not in rules:
            known = ", ".join(sorted(name for name, rule in rules.items() if not rule.legacy))
            yield errors.validation_failed(f"{where}.{key}: {kind} has no such property. It has: {known}.")
    for key, rule in rules.items():
        value = values.get(key)
        if value is None or value is NO_VALUE:
            if rule.required:
                yield errors.validation_failed(f"{where}.{key} is required by {kind}.")
        elif value is not UNKNOWN and value != "" and not is_dynamic(value):  # "" stands for what was not filled in
            yield from _of_value(rule, value, f"{where}.{key}", kind)


def _of_value(rule: Rule, value: Any, where: str, kind: str) -> Iterator[ApiError]:
    wanted = _kind_problem(rule, value)
    if wanted:
        yield errors.validation_failed(f"{where} is {shown(value)}; it must be {wanted}.")
        return
    problem = _allowed_problem(rule, value) or _bounds_problem(rule, value) or _pattern_problem(rule, value)
    if problem:
        yield errors.validation_failed(f"{where} is {shown(value)}; it must {problem}.")
    if rule.kind == "map" and rule.keys:
        yield from _of_map(rule.keys, value, where, kind)
    if rule.kind == "list" and rule.items is not None:
        for index, item in enumerate(value):
            if item is not None and item is not UNKNOWN and not is_dynamic(item):
                yield from _of_value(rule.items, item, f"{where}[{index}]", kind)


def shown(value: Any) -> str:
    """A value as errors show it: short."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _kind_problem(rule: Rule, value: Any) -> str:
    good = {
        "string": isinstance(value, (str, int, float)),
        "number": _is_number(value),
        "boolean": str(value).lower() in TRUE + FALSE,
        "list": isinstance(value, list),
        "map": isinstance(value, dict),
        "any": True,
    }[rule.kind]
    return "" if good else f"a {rule.kind}"


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return False
    try:
        float(value)
    except (ValueError, OverflowError):
        return False
    return True


def _allowed_problem(rule: Rule, value: Any) -> str:
    if not rule.allowed:
        return ""
    if rule.kind == "number":
        good = float(value) in {float(item) for item in rule.allowed}
    elif {str(item).lower() for item in rule.allowed} == {"true", "false"}:
        good = str(value).lower() in TRUE + FALSE
    else:
        good = str(value) in {str(item) for item in rule.allowed}
    return "" if good else f"be one of {', '.join(str(item) for item in rule.allowed)}"


def _bounds_problem(rule: Rule, value: Any) -> str:
    if rule.kind == "number":
        return _outside(float(value), rule.minimum, rule.maximum, "be")
    if rule.kind in ("list", "map"):
        return _outside(len(value), rule.min_length, rule.max_length, "have a length of")
    return _outside(len(str(value)), rule.min_length, rule.max_length, "have a length of")


def _outside(measure: float, low: float | None, high: float | None, verb: str) -> str:
    if (low is None or measure >= low) and (high is None or measure <= high):
        return ""
    limits = [f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else ""]
    return f"{verb} {' and '.join(text for text in limits if text)}"


def _pattern_problem(rule: Rule, value: Any) -> str:
    if rule.pattern is None:
        return ""
    try:
        good = matches(rule.pattern, str(value), whole=False)
    except (re.error, TooSlowError) as problem:
        return f"match {rule.pattern} ({problem})"
    return "" if good else f"match {rule.pattern}"
