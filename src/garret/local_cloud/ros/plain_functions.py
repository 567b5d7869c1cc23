"""The template functions that need nothing but their arguments, which are evaluated already."""

from collections.abc import Callable
from typing import Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.function_forms import listed, wrong
from garret.local_cloud.ros.jq import run_jq
from garret.local_cloud.ros.jq_values import JqError
from garret.local_cloud.ros.list_functions import LISTS
from garret.local_cloud.ros.number_functions import NUMBERS
from garret.local_cloud.ros.text_functions import TEXTS


def _equals(arguments: Any, where: str) -> bool:
    first, second = listed(arguments, where, "[one value, another value]", 2)
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    return bool(first == second)


def _jq(arguments: Any, where: str) -> Any:
    form = "[First or All, filter, JSON]"
    method, script, source = listed(arguments, where, form, 3)
    if method not in ("First", "All"):
        raise wrong(where, f"{form}; the first is {method!r}")
    if script is None or source is None or source == "":
        return None
    if not isinstance(script, str):
        raise wrong(where, f"{form}; the filter is no text")
    try:
        found = run_jq(script, source)
    except JqError as problem:
        raise errors.validation_failed(f"{where}: {problem}") from None
    if method == "All":
        return found
    return found[0] if found else None


def _transform_namespace(arguments: Any, where: str) -> Any:
    """A module's name in front of a condition's or of a resource's; templates hold it where modules were unfolded."""
    form = "[Condition or DependsOn, namespace, value]"
    kind, namespace, value = listed(arguments, where, form, 3)
    if kind not in ("Condition", "DependsOn") or not isinstance(namespace, str):
        raise wrong(where, form)
    if kind == "DependsOn":
        raise errors.not_emulated(f"Fn::TransformNamespace of DependsOn ({where}), as no module is")
    first = value[0] if isinstance(value, list) and value else value
    name = first.get("Condition") if isinstance(first, dict) else first
    return f"{namespace}{name}" if isinstance(name, str) else name


PLAIN: dict[str, Callable[[Any, str], Any]] = {
    **TEXTS,
    **NUMBERS,
    **LISTS,
    "Fn::Equals": _equals,
    "Fn::Jq": _jq,
    "Fn::TransformNamespace": _transform_namespace,
}
