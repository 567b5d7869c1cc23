"""What every resource type is made of: its properties with their rules, and four verbs against the cloud."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from garret.local_cloud.core import ApiError, Cloud
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.scope import UNKNOWN


@dataclass(frozen=True)
class Property:
    """One property's rule; `kind` is string, number, boolean, list, map or any."""

    kind: str = "string"
    required: bool = False
    allowed: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    items: "Property | None" = None
    keys: Mapping[str, "Property"] = field(default_factory=dict)


TAGS = Property("list", maximum=20, items=Property("map", keys={"Key": Property(required=True), "Value": Property()}))
CHARGE_PAY_AS_YOU_GO = ("PayAsYouGo", "PostPaid", "PayOnDemand", "Postpaid", "PostPay", "Postpay", "POSTPAY", "POST")


class FailedError(Exception):
    """A resource could not be made or deleted; `kind` is the class of failure that StatusReason names."""

    def __init__(self, kind: str, reason: str, code: str = "", request_id: str = "") -> None:
        super().__init__(reason)
        self.kind, self.reason, self.code, self.request_id = kind, reason, code, request_id


class StoppedError(Exception):
    """The operation was called off: the stack failed elsewhere, ran out of time or is being deleted."""


@dataclass(frozen=True)
class Work:
    """One resource at work: what it may ask and where it writes down what it has made.

    `made(id)` records the physical id before anything else happens to it; `pause(seconds)` waits that long or until
    something happened, and raises StoppedError when the operation is called off; `token` and `started` (UTC) are the
    same after a crash, so that nothing is made twice and no time-out begins anew.
    """

    cloud: Cloud
    region: str
    stack_id: str
    stack_name: str
    name: str
    properties: Mapping[str, Any]
    physical_id: str
    token: str
    started: datetime
    tags: tuple[tuple[str, str], ...]
    made: Callable[[str], None]
    pause: Callable[[float], None]

    def call(self, product: str, action: str, **params: Any) -> dict[str, Any]:
        """Calls the cloud as a client would; values that are None are left out, lists become Name.N."""
        return self.cloud.call(product, action, self.region, flatten({"RegionId": self.region, **params}))

    def tag_list(self) -> list[dict[str, str]]:
        """The stack's tags and the resource's own; the resource's own win."""
        own = {str(tag["Key"]): str(tag.get("Value") or "") for tag in self.properties.get("Tags") or []}
        return [{"Key": key, "Value": value} for key, value in {**dict(self.tags), **own}.items()]


class ResourceType(ABC):
    """One file under resources/ has one or two of these, which belong together.

    A changed property is updated in place when it is in `updatable`, replaces the resource when it is in `replace_on`,
    and is refused otherwise.
    """

    name: ClassVar[str]
    properties: ClassVar[Mapping[str, Property]]
    attributes: ClassVar[tuple[str, ...]]
    updatable: ClassVar[frozenset[str]] = frozenset()
    replace_on: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def create(self, work: Work) -> str:
        """Makes the resource and returns its physical id; may be called again after a crash."""

    @abstractmethod
    def read(self, work: Work) -> dict[str, Any]:
        """The attributes' present values."""

    @abstractmethod
    def delete(self, work: Work) -> None:
        """Removes it; one that is gone already is no failure."""

    def update(self, work: Work, before: Mapping[str, Any]) -> None:  # noqa: B027 - most types have nothing to do
        """Brings the resource from the properties `before` to those of `work`; only `updatable` ones differ.

        It may be called again after a crash, and with the two sides swapped when the stack is rolled back.
        """

    def drift(self, work: Work) -> dict[str, Any] | None:  # noqa: ARG002 - most types have nothing to read
        """The properties as the cloud has them now, as far as they can be read; None when the resource is gone."""
        return {}

    def check(self, work: Work) -> None:  # noqa: B027 - most types carry out all they allow
        """Refuses, before anything is made, what the vendor allows and this cloud does not carry out.

        Properties that only the cloud will know are UNKNOWN. Raises ApiError naming the type and the property.
        """

    def estimate(self, work: Work) -> dict[str, Any] | None:  # noqa: ARG002 - most types cost nothing
        """The price of one hour (Currency, OriginalPrice, TradePrice), or None where it costs nothing by itself."""
        return None


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values as they stand on the wire: Tags.1.Key=…, True as `true`, None left out."""
    flat: dict[str, str] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat |= flatten(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            flat |= flatten({str(index): item for index, item in enumerate(value, 1)}, f"{name}.")
        elif isinstance(value, bool):
            flat[name] = "true" if value else "false"
        elif value is not None:
            flat[name] = str(value)
    return flat


def gone(problem: ApiError) -> bool:
    """Whether the error says that the thing does not exist (any more)."""
    return ".NotFound" in problem.code or problem.code.endswith("NotFound") or problem.code == "InvalidVpcID.NotFound"


def delete_until_free(work: Work, product: str, action: str, **params: Any) -> None:
    """Deletes a thing that others may still use for a moment: retries a dependency's refusal for ten seconds."""
    for attempt in range(100):
        try:
            work.call(product, action, **params)
            return
        except ApiError as problem:
            if gone(problem):
                return
            busy = problem.code.startswith(("DependencyViolation", "IncorrectStatus", "IncorrectInstanceStatus"))
            if not busy or attempt == 99:
                raise
        work.pause(0.1)


def check_properties(kind: ResourceType, name: str, values: Mapping[str, Any]) -> None:
    """Checks evaluated properties against the type's rules; raises StackValidationFailed naming the property."""
    _check_map(kind.properties, values, f"Resources.{name}.Properties", kind.name)


def _check_map(rules: Mapping[str, Property], values: Mapping[str, Any], where: str, kind: str) -> None:
    for key in values:
        if key not in rules:
            text = (
                f"{where}.{key}: the local cloud knows no such property of {kind}. Known: {', '.join(sorted(rules))}."
            )
            raise errors.validation_failed(text)
    for key, rule in rules.items():
        value = values.get(key)
        if value is None or value == "":
            if rule.required:
                raise errors.validation_failed(f"{where}.{key} is required by {kind}.")
            continue
        if value is not UNKNOWN:
            _check(rule, value, f"{where}.{key}", kind)


def _check(rule: Property, value: Any, where: str, kind: str) -> None:
    problem = _kind_problem(rule, value)
    if problem:
        raise errors.validation_failed(f"{where} is {_shown(value)}; it must be {problem}.")
    if rule.allowed and str(value).lower() not in {str(item).lower() for item in rule.allowed}:
        allowed = ", ".join(str(item) for item in rule.allowed)
        raise errors.validation_failed(f"{where} is {_shown(value)}; it must be one of {allowed}.")
    measure = float(value) if rule.kind == "number" else len(value) if isinstance(value, (str, list)) else 0
    if (rule.minimum is not None and measure < rule.minimum) or (rule.maximum is not None and measure > rule.maximum):
        what = "" if rule.kind == "number" else "have a length "
        bounds = [f"at least {rule.minimum:g}"] if rule.minimum is not None else []
        bounds += [f"at most {rule.maximum:g}"] if rule.maximum is not None else []
        raise errors.validation_failed(f"{where} is {_shown(value)}; it must {what or 'be '}{' and '.join(bounds)}.")
    if rule.pattern and not re.fullmatch(rule.pattern, str(value)):
        raise errors.validation_failed(f"{where} is {_shown(value)}; it must match {rule.pattern}.")
    if rule.kind == "map" and rule.keys:
        _check_map(rule.keys, value, where, kind)
    if rule.kind == "list" and rule.items is not None:
        for index, item in enumerate(value):
            if item is not UNKNOWN:
                _check(rule.items, item, f"{where}[{index}]", kind)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _kind_problem(rule: Property, value: Any) -> str:
    if rule.kind == "number":
        try:
            float(value)
        except (TypeError, ValueError):
            return "a number"
        return "" if not isinstance(value, bool) else "a number"
    good = {
        "string": isinstance(value, (str, int, float, bool)),
        "boolean": str(value).lower() in ("true", "false"),
        "list": isinstance(value, list),
        "map": isinstance(value, dict),
        "any": True,
    }[rule.kind]
    return "" if good else f"a {rule.kind}"


def truth(value: Any, default: bool = False) -> bool:
    """A boolean property, which may come as a text."""
    return default if value in (None, "") else str(value).lower() == "true"
