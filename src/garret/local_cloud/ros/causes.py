"""Why a property changes: because the template does, a parameter, or another resource."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from garret.local_cloud.ros.graph import references
from garret.local_cloud.ros.plan import Plan
from garret.local_cloud.ros.scope import UNKNOWN


@dataclass(frozen=True)
class Cause:
    """The vendor's ChangeSource, and the parameter or resource behind it."""

    source: str
    entity: str = ""

    @staticmethod
    def direct() -> "Cause":
        """Somebody wrote another template."""
        return Cause("DirectModification")


class Moving(Protocol):
    """As much of a change as a cause needs to know."""

    @property
    def replacement(self) -> str:
        """True, False, Conditional, or empty for an addition."""


@dataclass(frozen=True)
class Sides:
    """The plan that was, the plan that is wanted, and the changes that are known so far."""

    before: Plan
    plan: Plan
    changes: Mapping[str, Moving]


def cause_of(sides: Sides, name: str, key: str, value: Any) -> tuple[bool, Cause]:
    """Whether it is sure that the property changes, and why; what other resources give is known only afterwards."""
    before, plan, changes = sides.before, sides.plan, sides.changes
    old = before.resources[name].properties.get(key) if name in before.resources else None
    new = plan.resources[name].properties.get(key)
    if old != new or name not in before.resources:
        return True, Cause.direct()
    mentioned = list(references(new, plan.scope.conditions))
    for other in mentioned:
        if other in plan.parameters and _value(before, other) != _value(plan, other):
            return not _unknown(value), Cause("ParameterReference", other)
    for other in mentioned:
        if other in changes:
            moved = changes[other].replacement != "False"
            return False, Cause("ResourceReference" if moved else "ResourceAttribute", other)
    return not _unknown(value), Cause("Automatic")


def _value(plan: Plan, name: str) -> Any:
    return plan.parameters[name].text if name in plan.parameters else None


def _unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(_unknown(item) for item in value)
    return value is UNKNOWN
