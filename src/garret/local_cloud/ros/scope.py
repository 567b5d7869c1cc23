"""What names mean while a template is evaluated: parameters, pseudo parameters, mappings, conditions, resources."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

PSEUDO = ("StackId", "StackName", "Region", "AccountId", "TenantId", "ResourceGroupId", "NoValue", "Index")
PSEUDO_PREFIX = "ALIYUN::"
NORMAL, CONDITION, RULE, COUNT, LOCAL = "Resources and Outputs", "Conditions", "Rules", "Count", "Locals"


class _Mark:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


NO_VALUE: Final = _Mark("NO_VALUE")  # Ref ALIYUN::NoValue: the key or item around it is left out
UNKNOWN: Final = _Mark("UNKNOWN")  # a value that only the cloud will know, in a preview


class NotYetKnownError(Exception):
    """A resource's id or attribute was asked for before the resource exists."""


def _not_yet(*_: str) -> Any:
    raise NotYetKnownError


def _no_zones(_: str) -> list[str]:
    raise NotYetKnownError


def _no_time() -> datetime:
    raise NotYetKnownError


@dataclass(frozen=True)
class Scope:
    """All that functions may ask; `reference` and `attribute` answer for resources, by logical name.

    `context` says in which part of the template the value stands: each has its own list of functions.
    `stack_output` (stack, output, region) answers for other stacks: None where there is no such output.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    pseudo: Mapping[str, Any] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    resources: frozenset[str] = frozenset()
    reference: Callable[[str], Any] = _not_yet
    attribute: Callable[[str, str], Any] = _not_yet
    zones: Callable[[str], list[str]] = _no_zones
    now: Callable[[], datetime] = _no_time
    stack_output: Callable[[str, str, str], Any] = _not_yet
    context: str = NORMAL
    partial: bool = False
