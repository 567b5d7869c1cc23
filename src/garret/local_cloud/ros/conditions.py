"""The section Conditions: each name to true or false, in whatever order they refer to each other."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.functions import evaluate
from garret.local_cloud.ros.scope import Scope


class _Lookup(Mapping[str, bool]):
    """Answers a condition by evaluating it when it is first asked for."""

    def __init__(self, definitions: Mapping[str, Any], scope: Scope) -> None:
        self._definitions = definitions
        self._scope = replace(scope, conditions=self, in_condition=True, partial=False)
        self._open: list[str] = []
        self._done: dict[str, bool] = {}

    def __getitem__(self, name: str) -> bool:
        if name in self._done:
            return self._done[name]
        if name in self._open:
            raise errors.circular_dependency([*self._open[self._open.index(name) :], name])
        self._open.append(name)
        value = evaluate(self._definitions[name], self._scope, f"Conditions.{name}")
        self._open.pop()
        if not isinstance(value, bool):
            raise errors.validation_failed(f"Conditions.{name} is neither true nor false.")
        self._done[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions)

    def __len__(self) -> int:
        return len(self._definitions)


def resolve_conditions(definitions: Mapping[str, Any], scope: Scope) -> dict[str, bool]:
    """Evaluates every condition; a condition may name others, and a circle of them is refused."""
    lookup = _Lookup(definitions, scope)
    return {name: lookup[name] for name in definitions}
