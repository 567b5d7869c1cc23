"""Evaluating templates: Ref, Fn::GetAtt and the other functions that decide what of their arguments is evaluated."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.plain_functions import PLAIN, text_of, wrong
from garret.local_cloud.ros.scope import NO_VALUE, PSEUDO, PSEUDO_PREFIX, UNKNOWN, NotYetKnownError, Scope

NOT_IN_CONDITIONS = ("Fn::GetAtt", "Fn::Sub", "Fn::Base64")
ONLY_IN_CONDITIONS = ("Fn::Equals", "Fn::Not", "Fn::And", "Fn::Or")
_SUBSTITUTE = re.compile(r"\$\{(!?)([^}]*)\}")


def function_of(value: Any) -> str | None:
    """The function's name when the value is a call, else None; a map of one key `Fn::…` or `Ref` is a call."""
    if isinstance(value, dict) and len(value) == 1:
        name = next(iter(value))
        if isinstance(name, str) and (name == "Ref" or name.startswith("Fn::")):
            return name
    return None


def evaluate(value: Any, scope: Scope, where: str) -> Any:
    """Returns the value with every function replaced by its result; `where` is named in errors."""
    name = function_of(value)
    try:
        if name is not None:
            return _call(name, value[name], scope, where)
        if isinstance(value, dict):
            items = {key: evaluate(item, scope, f"{where}.{key}") for key, item in value.items()}
            return {key: item for key, item in items.items() if item is not NO_VALUE}
        if isinstance(value, list):
            entries = [evaluate(item, scope, f"{where}[{index}]") for index, item in enumerate(value)]
            return [item for item in entries if item is not NO_VALUE]
    except NotYetKnownError:
        if scope.partial:
            return UNKNOWN
        raise
    return value


def _call(name: str, argument: Any, scope: Scope, where: str) -> Any:
    known = name in LAZY or name in PLAIN
    if not known:
        raise errors.not_emulated(f"the function {name} ({where})")
    if scope.in_condition and name in NOT_IN_CONDITIONS:
        raise errors.validation_failed(f"{where}: {name} is not allowed in Conditions.")
    if not scope.in_condition and name in ONLY_IN_CONDITIONS:
        raise errors.validation_failed(f"{where}: {name} is allowed in Conditions only; use Fn::If with a condition.")
    if name in LAZY:
        return LAZY[name](argument, scope, f"{where}.{name}")
    arguments = evaluate(argument, scope, f"{where}.{name}")
    if _has_unknown(arguments):
        raise NotYetKnownError
    return PLAIN[name](arguments, f"{where}.{name}")


def _has_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_unknown(item) for item in value)
    return value is UNKNOWN


def _ref(argument: Any, scope: Scope, where: str) -> Any:
    if not isinstance(argument, str):
        raise wrong(where, "the name of a parameter or resource")
    if argument.startswith(PSEUDO_PREFIX):
        return _pseudo(argument, scope, where)
    if argument in scope.values:
        return scope.values[argument]
    if argument in scope.resources:
        if scope.in_condition:
            raise errors.validation_failed(f"{where}: a condition cannot refer to the resource {argument}.")
        return scope.reference(argument)
    raise errors.invalid_reference(argument, where)


def _pseudo(argument: str, scope: Scope, where: str) -> Any:
    name = argument.removeprefix(PSEUDO_PREFIX)
    if name == "NoValue":
        return NO_VALUE
    if name not in PSEUDO:
        raise errors.invalid_reference(argument, where)
    if name not in scope.pseudo:
        raise NotYetKnownError
    return scope.pseudo[name]


def _get_att(argument: Any, scope: Scope, where: str) -> Any:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if not isinstance(parts, list) or len(parts) != 2 or not isinstance(parts[0], str):
        raise wrong(where, "[resource, attribute]")
    attribute = evaluate(parts[1], scope, where)
    if not isinstance(attribute, str):
        raise wrong(where, "[resource, attribute]")
    if parts[0] not in scope.resources:
        raise errors.invalid_reference(parts[0], where)
    return scope.attribute(parts[0], attribute)


def _sub(argument: Any, scope: Scope, where: str) -> str:
    text, extra = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})
    if not isinstance(text, str) or not isinstance(extra, dict):
        raise wrong(where, "a text, or [text, map of names]")
    names = evaluate(extra, scope, where)
    if _has_unknown(names):
        raise NotYetKnownError

    def one(match: re.Match[str]) -> str:
        literal, name = match.groups()
        if literal:
            return "${" + name + "}"
        if name in names:
            return text_of(names[name], where)
        value = _get_att(name, scope, where) if "." in name else _ref(name, scope, where)
        return text_of(value, where)

    return _SUBSTITUTE.sub(one, text)


def _if(argument: Any, scope: Scope, where: str) -> Any:
    if not isinstance(argument, list) or len(argument) != 3:
        raise wrong(where, "[condition, value if true, value if false]")
    return evaluate(argument[1 if _truth(argument[0], scope, where) else 2], scope, where)


def _truth(value: Any, scope: Scope, where: str) -> bool:
    if isinstance(value, dict) and list(value) == ["Condition"]:
        value = value["Condition"]
    if isinstance(value, str):
        if value not in scope.conditions:
            raise errors.invalid_reference(value, where)
        return scope.conditions[value]
    result = evaluate(value, scope, where)
    if not isinstance(result, bool):
        raise wrong(where, "a condition's name or a condition")
    return result


def _not(argument: Any, scope: Scope, where: str) -> bool:
    value = argument[0] if isinstance(argument, list) and len(argument) == 1 else argument
    if isinstance(value, list):
        raise wrong(where, "one condition")
    return not _truth(value, scope, where)


def _and(argument: Any, scope: Scope, where: str) -> bool:
    truths = [_truth(item, scope, where) for item in _conditions(argument, where)]
    return all(truths)  # of all of them: a mistake in the last one must not wait for the others


def _or(argument: Any, scope: Scope, where: str) -> bool:
    truths = [_truth(item, scope, where) for item in _conditions(argument, where)]
    return any(truths)


def _conditions(argument: Any, where: str) -> list[Any]:
    if not isinstance(argument, list) or len(argument) < 2:
        raise wrong(where, "a list of two conditions or more")
    return argument


def _find_in_map(argument: Any, scope: Scope, where: str) -> Any:
    keys = evaluate(argument, scope, where)
    if _has_unknown(keys):
        raise NotYetKnownError
    if not isinstance(keys, list) or len(keys) != 3:
        raise wrong(where, "[map, first key, second key]")
    value: Any = scope.mappings
    for key in keys:
        if not isinstance(value, Mapping) or text_of(key, where) not in {str(name) for name in value}:
            raise errors.validation_failed(f"{where}: there is no {text_of(key, where)!r} in Mappings of {keys}.")
        value = next(item for name, item in value.items() if str(name) == text_of(key, where))
    return evaluate(value, scope, where)


def _get_zones(argument: Any, scope: Scope, where: str) -> list[str]:
    region = evaluate(argument, scope, where)
    if region is UNKNOWN:
        raise NotYetKnownError
    if not region and "Region" not in scope.pseudo:
        raise NotYetKnownError
    return scope.zones(text_of(region, where) or str(scope.pseudo["Region"]))


LAZY: dict[str, Callable[[Any, Scope, str], Any]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::If": _if,
    "Fn::Not": _not,
    "Fn::And": _and,
    "Fn::Or": _or,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAZs": _get_zones,
}
