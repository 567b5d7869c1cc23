"""What every resource type is made of: which properties it carries out, and its verbs against the cloud."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from garret.local_cloud.core import ApiError, Cloud
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.scope import UNKNOWN

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
        every = {**dict(self.tags), **own_tags(self.properties)}
        return [{"Key": key, "Value": value} for key, value in every.items()]


INTENT = "ros_intent"  # a kind of record: a thing without ClientToken that a stack is about to make


def make_once(work: Work, what: str, make: Callable[[], Any], exists: Callable[[], bool]) -> bool:
    """Makes a thing that knows no ClientToken; one that an earlier attempt made, whose answer was lost, is fine.

    What was there before the first attempt is refused by `make` itself. Returns whether this attempt made it; the
    caller writes the thing down, then calls `forget_intent`.
    """
    store, slot = work.cloud.store, f"{work.stack_id}/{work.token}/{what}"
    tried = store.get(INTENT, slot) is not None
    if not tried and not exists():
        store.put(INTENT, slot, {"what": what})
    elif tried and exists():
        return False
    try:
        make()
    except ApiError as problem:
        if not problem.code.startswith("Throttling"):
            store.delete(INTENT, slot)
        raise
    return True


def forget_intent(work: Work, what: str) -> None:
    """The thing is written down by now."""
    work.cloud.store.delete(INTENT, f"{work.stack_id}/{work.token}/{what}")


class ResourceType(ABC):
    """One file under resources/ has one or two of these, which belong together.

    `carried` names the properties that are carried out, `harmless` those without which nobody is misled, `only` the
    values that are carried out of some of them, `nested` the keys of maps and of lists of maps. A changed property is
    updated in place when it is in `updatable` and replaces the resource when it is in `replace_on` (by default: all
    the others). `patience_s` is how long a deletion may take.
    """

    name: ClassVar[str]
    attributes: ClassVar[tuple[str, ...]]
    carried: ClassVar[frozenset[str]] = frozenset()
    harmless: ClassVar[frozenset[str]] = frozenset()
    only: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    nested: ClassVar[Mapping[str, frozenset[str]]] = {}
    updatable: ClassVar[frozenset[str]] = frozenset()
    replace_on: ClassVar[frozenset[str]] = frozenset()
    patience_s: ClassVar[float] = 120.0

    def __init_subclass__(cls) -> None:
        """Fills in what follows from the rest."""
        cls.updatable = cls.updatable | cls.harmless
        if "replace_on" not in vars(cls):
            cls.replace_on = (cls.carried | set(cls.only)) - cls.updatable

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

    def check(self, work: Work) -> None:
        """Refuses, before anything is made, what the vendor allows and this cloud does not carry out.

        Properties that only the cloud will know are UNKNOWN. Raises ApiError naming the type and the property.
        """
        where = f"Resources.{work.name}.Properties"
        for key, value in work.properties.items():
            if value is UNKNOWN or _is_nothing(value):
                continue
            if key in self.only:
                if str(value).lower() not in {one.lower() for one in self.only[key]}:
                    allowed = " or ".join(self.only[key])
                    raise errors.not_emulated(f"{key} {value!r} of {self.name} ({where}.{key}; only {allowed})")
            elif key not in self.carried | self.harmless:
                raise errors.not_emulated(f"the property {key} of {self.name} ({where}.{key})")
            if key in self.nested:
                for index, item in enumerate(value if isinstance(value, list) else [value]):
                    _check_nested(self, key, item, f"{where}.{key}[{index}]" if isinstance(value, list) else where)

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


def _is_nothing(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {}) or str(value).lower() == "false"


def _check_nested(kind: ResourceType, key: str, item: Any, where: str) -> None:
    for name, value in item.items() if isinstance(item, dict) else ():
        if name not in kind.nested[key] and value is not UNKNOWN and not _is_nothing(value):
            raise errors.not_emulated(f"{key}.{name} of {kind.name} ({where})")


def own_tags(properties: Mapping[str, Any]) -> dict[str, str]:
    """The tags among a resource's properties, which most types have as a list and some as a map."""
    found = properties.get("Tags") or []
    if isinstance(found, dict):
        return {str(key): str(value) for key, value in found.items()}
    return {str(tag["Key"]): str(tag.get("Value") or "") for tag in found}


def whole(value: Any, default: int = 0) -> int:
    """A number property as a whole number; it may come as a text."""
    return default if value in (None, "") else int(float(value))


def given(work: Work, *names: str) -> dict[str, Any]:
    """The named properties that the template gives."""
    return {name: work.properties[name] for name in names if work.properties.get(name) not in (None, "")}


def changed(work: Work, before: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The named properties that differ from before, with their new values; one that is taken away becomes empty."""
    now = work.properties
    return {name: now.get(name) or "" for name in names if str(now.get(name) or "") != str(before.get(name) or "")}


def sync_tags(work: Work, before: Mapping[str, Any], product: str, resource_type: str, *ids: str) -> None:
    """Brings the tags of things from those before (the stack's among them) to the present ones."""
    now = {tag["Key"]: tag["Value"] for tag in work.tag_list()}
    old = own_tags(before)
    there = {"ResourceType": resource_type, "ResourceId": list(ids)}
    if taken := [key for key in old if key not in now]:
        action = "UnTagResources" if product == "Vpc" else "UntagResources"
        work.call(product, action, TagKey=taken, **there)
    if fresh := [{"Key": key, "Value": value} for key, value in now.items() if old.get(key) != value]:
        work.call(product, "TagResources", Tag=fresh, **there)


def tags_drift(work: Work, found: Any) -> list[dict[str, str]]:
    """The resource's tags as the cloud has them now, from either product's form, without those that others gave."""
    pairs = {
        str(tag.get("TagKey", tag.get("Key"))): str(tag.get("TagValue", tag.get("Value", "")))
        for tag in (found or {}).get("Tag", [])
    }
    return [{"Key": tag["Key"], "Value": pairs[tag["Key"]]} for tag in work.tag_list() if tag["Key"] in pairs]


def gone(problem: ApiError) -> bool:
    """Whether the error says that the thing does not exist (any more)."""
    if problem.code.startswith(("EntityNotExist.", "EntityNotExists.")):
        return True
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


def truth(value: Any, default: bool = False) -> bool:
    """A boolean property, which may come as a text."""
    return default if value in (None, "") else str(value).lower() == "true"
