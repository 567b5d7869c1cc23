"""The section Conditions: each name to true or false, in whatever order they refer to each other."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.functions import evaluate, function_of
from garret.local_cloud.ros.scope import CONDITION, UNKNOWN, Scope

ROOTS = ("Fn::Equals", "Fn::Not", "Fn::And", "Fn::Or", "Fn::FindInMap", "Ref")


class _Lookup(Mapping[str, Any]):
    """Answers a condition by evaluating it when it is first asked for."""

    def __init__(self, definitions: Mapping[str, Any], scope: Scope) -> None:
        self._definitions = definitions
        self._scope = replace(scope, conditions=self, context=CONDITION)
        self._open: list[str] = []
        self._done: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name in self._done:
            return self._done[name]
        if name in self._open:
            raise errors.circular_dependency([*self._open[self._open.index(name) :], name])
        self._open.append(name)
        value = self._evaluated(name)
        self._open.pop()
        self._done[name] = value
        return value

    def _evaluated(self, name: str) -> Any:
        definition, where = self._definitions[name], f"Conditions.{name}"
        if isinstance(definition, bool) or definition is UNKNOWN:  # what a local stood for
            return definition
        if isinstance(definition, dict) and list(definition) == ["Condition"]:
            definition = {"Fn::And": [definition, definition]}
        if function_of(definition) not in ROOTS:
            raise errors.validation_failed(f"{where} must be one of {', '.join(ROOTS)}.")
        value = evaluate(definition, self._scope, where)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"
        if not isinstance(value, bool) and value is not UNKNOWN:
            raise errors.validation_failed(f"{where} is neither true nor false.")
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions)

    def __len__(self) -> int:
        return len(self._definitions)


def resolve_conditions(definitions: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """Evaluates every condition; a condition may name others, and a circle of them is refused.

    With a partial scope, one that depends on what is not known is UNKNOWN.
    """
    lookup = _Lookup(definitions, scope)
    return {name: lookup[name] for name in definitions}
