"""Evaluating templates: Ref, Fn::GetAtt and the other functions that decide what of their arguments is evaluated."""

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.function_forms import text_of, wrong
from garret.local_cloud.ros.plain_functions import PLAIN
from garret.local_cloud.ros.scope import (
    COUNT,
    LOCAL,
    NO_VALUE,
    NORMAL,
    PSEUDO,
    PSEUDO_PREFIX,
    UNKNOWN,
    NotYetKnownError,
    Scope,
)
from garret.local_cloud.ros.sub import PLACEHOLDER, placeholder

ONLY_NORMAL = ("Fn::GetAtt", "Fn::Sub", "Fn::Base64", "Fn::GetStackOutput")
ONLY_IN_CONDITIONS = ("Fn::Equals", "Fn::Not", "Fn::And", "Fn::Or")
ELSEWHERE = ("Fn::ResourceFacade", "Fn::MarketplaceImage")


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


def evaluate_each(values: Mapping[str, Any], scope: Scope, where: str) -> dict[str, Any]:
    """The same of a map that is one whatever its only key is called, as a resource's properties are."""
    found = {key: evaluate(value, scope, f"{where}.{key}") for key, value in values.items()}
    return {key: value for key, value in found.items() if value is not NO_VALUE}


def check_function(name: str, context: str, where: str) -> None:
    """Refuses a function that there is not, that is not emulated, or that this part of a template may not use."""
    if name in ELSEWHERE:
        raise errors.not_emulated(f"the function {name} ({where})")
    if name not in LAZY and name not in PLAIN:
        raise errors.validation_failed(f"{where}: there is no function {name}.")
    if name in ONLY_NORMAL and context not in (NORMAL, LOCAL):
        raise errors.validation_failed(f"{where}: {name} is not allowed in {context}.")
    if name in ONLY_IN_CONDITIONS and context in (NORMAL, COUNT):
        raise errors.validation_failed(f"{where}: {name} is allowed in Conditions only; use Fn::If with a condition.")


def _call(name: str, argument: Any, scope: Scope, where: str) -> Any:
    check_function(name, scope.context, where)
    if name in LAZY:
        return LAZY[name](argument, scope, f"{where}.{name}")
    return PLAIN[name](_known(argument, scope, f"{where}.{name}"), f"{where}.{name}")


def _known(argument: Any, scope: Scope, where: str) -> Any:
    """The evaluated argument, or NotYetKnownError when a part of it is not known yet."""
    value = evaluate(argument, scope, where)
    if _has_unknown(value):
        raise NotYetKnownError
    return value


def _has_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_unknown(item) for item in value)
    return value is UNKNOWN


def _ref(argument: Any, scope: Scope, where: str) -> Any:
    if function_of(argument) is not None:
        argument = _known(argument, scope, where)
    if argument is None:
        return None
    if not isinstance(argument, str):
        raise wrong(where, "the name of a parameter or resource")
    if argument in scope.values:
        return scope.values[argument]
    if argument.startswith(PSEUDO_PREFIX):
        return _pseudo(argument, scope, where)
    if argument in scope.resources:
        if scope.context != NORMAL:
            raise errors.invalid_reference(argument, f"{where}; {scope.context} can refer to parameters only")
        return scope.reference(argument)
    raise errors.invalid_reference(argument, where)


def _pseudo(argument: str, scope: Scope, where: str) -> Any:
    name = argument.removeprefix(PSEUDO_PREFIX)
    if name == "NoValue":
        return NO_VALUE
    if name not in PSEUDO or (name == "Index" and name not in scope.pseudo):
        raise errors.invalid_reference(argument, where)
    if name not in scope.pseudo:
        raise NotYetKnownError
    return scope.pseudo[name]


def attribute_parts(argument: Any, where: str) -> list[Any]:
    """Fn::GetAtt's resource and attribute; "a.b" stands for both."""
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if not isinstance(parts, list) or len(parts) != 2:
        raise wrong(where, "[resource, attribute]")
    return parts


def _get_att(argument: Any, scope: Scope, where: str) -> Any:
    resource, attribute = attribute_parts(_known(attribute_parts(argument, where), scope, where), where)
    if not isinstance(resource, str) or not isinstance(attribute, str):
        raise wrong(where, "[resource, attribute]")
    if resource not in scope.resources:
        raise errors.invalid_reference(resource, where)
    return scope.attribute(resource, attribute)


def _sub(argument: Any, scope: Scope, where: str) -> str:
    text, extra = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})
    if function_of(text) == "Ref":
        text = text_of(_known(text, scope, where), where)
    if not isinstance(text, str) or not isinstance(extra, dict):
        raise wrong(where, "a text, or [text, map of names]")
    names = {name: evaluate(item, scope, f"{where}.{name}") for name, item in extra.items()}

    def one(match: re.Match[str]) -> str:
        found = placeholder(match, names, scope.resources, where)
        if found.literal is not None:
            return found.literal
        if found.variable is not None:
            if _has_unknown(names[found.variable]):
                raise NotYetKnownError
            return text_of(names[found.variable], where)
        if found.attribute is not None:
            value = _get_att([found.resource, found.attribute], scope, where)
        else:
            value = _ref(found.resource, scope, where)
        if _has_unknown(value):
            raise NotYetKnownError
        return text_of(value, where)

    return PLACEHOLDER.sub(one, text)


def _if(argument: Any, scope: Scope, where: str) -> Any:
    if not isinstance(argument, list) or len(argument) != 3:
        raise wrong(where, "[condition, value if true, value if false]")
    truth = _truth(argument[0], scope, where)
    if truth is not UNKNOWN:
        return evaluate(argument[1 if truth else 2], scope, where)
    for branch in argument[1:]:  # both must be right, whichever is taken
        with contextlib.suppress(errors.OnlyIfTakenError):
            evaluate(branch, scope, where)
    raise NotYetKnownError


def _truth(value: Any, scope: Scope, where: str) -> Any:
    """True, false, or UNKNOWN; a condition by its name, as {Condition: name}, or spelt out."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict) and list(value) == ["Condition"]:
        value = value["Condition"]
    if isinstance(value, str):
        if value not in scope.conditions:
            raise errors.invalid_reference(value, where)
        return scope.conditions[value]
    context = LOCAL if scope.context == NORMAL else scope.context
    result = evaluate(value, _in(scope, context), where)
    if not isinstance(result, bool) and result is not UNKNOWN:
        raise wrong(where, "a condition's name or a condition")
    return result


def _in(scope: Scope, context: str) -> Scope:
    return scope if scope.context == context else replace(scope, context=context)


def _not(argument: Any, scope: Scope, where: str) -> Any:
    if argument is None or (isinstance(argument, list) and len(argument) != 1):
        raise wrong(where, "one condition")
    truth = _truth(argument, scope, where)
    if truth is UNKNOWN:
        raise NotYetKnownError
    return not truth


def _and(argument: Any, scope: Scope, where: str) -> bool:
    return all(_truths(argument, scope, where))


def _or(argument: Any, scope: Scope, where: str) -> bool:
    return any(_truths(argument, scope, where))


def _truths(argument: Any, scope: Scope, where: str) -> list[bool]:
    """All of them: a mistake in the last one must not wait for the others."""
    if not isinstance(argument, list) or len(argument) < 2:
        raise wrong(where, "a list of two conditions or more")
    truths = [_truth(item, scope, where) for item in argument]
    if UNKNOWN in truths:
        raise NotYetKnownError
    return truths


def _find_in_map(argument: Any, scope: Scope, where: str) -> Any:
    keys = _known(argument, scope, where)
    if not isinstance(keys, list) or len(keys) != 3:
        raise wrong(where, "[map, first key, second key]")
    value: Any = scope.mappings
    for key in keys:
        named = {str(name): item for name, item in value.items()} if isinstance(value, Mapping) else {}
        if text_of(key, where) not in named:
            raise errors.only_if_taken(f"{where}: there is no {text_of(key, where)!r} in Mappings of {keys}.")
        value = named[text_of(key, where)]
    return evaluate(value, scope, where)


def _get_zones(argument: Any, scope: Scope, where: str) -> list[str]:
    region = _known(argument, scope, where)
    if not region and "Region" not in scope.pseudo:
        raise NotYetKnownError
    return scope.zones(text_of(region, where) or str(scope.pseudo["Region"]))


def _format_time(argument: Any, scope: Scope, where: str) -> str:
    parts = _known(argument, scope, where)
    form, zone = (*(parts if isinstance(parts, list) else [parts]), "UTC")[:2]
    if not isinstance(form, str) or not isinstance(zone, str) or (isinstance(parts, list) and len(parts) > 2):
        raise wrong(where, "a format, or [format, time zone]")
    try:
        place = UTC if zone == "UTC" else ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise wrong(where, f"[format, time zone]; there is no time zone {zone!r}") from None
    return scope.now().astimezone(place).strftime(form)


def _get_stack_output(argument: Any, scope: Scope, where: str) -> Any:
    parts = _known(argument, scope, where)
    if not isinstance(parts, list) or len(parts) not in (2, 3):
        raise wrong(where, "[stack, output, region]")
    if not all(isinstance(part, str) or part is None for part in parts):
        raise wrong(where, "[stack, output, region], all texts")
    if not parts[0] or not parts[1]:
        return None
    return scope.stack_output(parts[0], parts[1], parts[2] if len(parts) == 3 and parts[2] else "")


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
    "Fn::FormatTime": _format_time,
    "Fn::GetStackOutput": _get_stack_output,
}
