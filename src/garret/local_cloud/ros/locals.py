"""The section Locals: names that stand for values, put in before anything else is looked at."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.functions import evaluate
from garret.local_cloud.ros.scope import LOCAL, Scope
from garret.local_cloud.ros.template import Local, Template

DEPTH = 5


def put_in_locals(template: Template, scope: Scope) -> Template:
    """The template without its locals: each Ref to one is its value, evaluated in `scope` where the local is an Eval.

    With a partial scope an Eval that depends on what is not known is UNKNOWN.
    """
    if not template.locals:
        return template
    found: dict[str, Any] = {}
    for name in template.locals:
        _value_of(name, template.locals, scope, found, [])

    def put_in(value: Any) -> Any:
        return _replaced(value, found.__contains__, found.__getitem__)

    return replace(
        template,
        locals={},
        conditions={name: put_in(value) for name, value in template.conditions.items()},
        resources={
            name: replace(
                one,
                properties={key: put_in(value) for key, value in one.live().items()} | one.raw(),
                count=put_in(one.count),
            )
            for name, one in template.resources.items()
        },
        outputs={name: replace(one, value=put_in(one.value)) for name, one in template.outputs.items()},
    )


def _value_of(name: str, known: Mapping[str, Local], scope: Scope, found: dict[str, Any], path: list[str]) -> Any:
    if name in found:
        return found[name]
    if name in path:
        raise errors.circular_dependency([*path[path.index(name) :], name])
    if len(path) >= DEPTH:
        raise errors.validation_failed(f"Locals.{path[0]} goes through more than {DEPTH} locals.")
    here = [*path, name]
    value = _replaced(known[name].value, known.__contains__, lambda other: _value_of(other, known, scope, found, here))
    if known[name].type == "Eval":
        value = evaluate(value, replace(scope, context=LOCAL), f"Locals.{name}.Value")
    found[name] = value
    return value


def _replaced(value: Any, known: Callable[[str], bool], get: Callable[[str], Any]) -> Any:
    if isinstance(value, dict):
        if list(value) == ["Ref"] and isinstance(value["Ref"], str) and known(value["Ref"]):
            return get(value["Ref"])
        return {key: _replaced(item, known, get) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, known, get) for item in value]
    return value
