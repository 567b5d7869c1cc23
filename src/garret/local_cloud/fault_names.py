"""The words of the fault board: named faults, what each can be told, and what it does to a call.

A fault that meets calls at the door is written as one or more raw `Fault`s; the others are asked for where they bite:
stock in the catalogue, quotas where they are counted, nodes where their signals arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from garret.local_cloud.quotas.registry import LIMITS
from garret.local_cloud.raw_faults import Fault

_FOR_EVER = 0


@dataclass(frozen=True)
class Field:
    """One thing a named fault can be told; `default` None means that it must be said."""

    name: str
    kind: type
    default: object
    says: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Named:
    """One named fault: a sentence, what it can be told, an example, and the raw faults it stands for (if any)."""

    name: str
    says: str
    fields: tuple[Field, ...]
    example: Mapping[str, Any]
    faults: Callable[[Mapping[str, Any]], tuple[Fault, ...]] = lambda _: ()

    def read(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """The fault's fields with their defaults; ValueError names the field that is no good."""
        known = {field.name: field for field in self.fields}
        for name in wanted:
            if name not in known:
                raise ValueError(f"{self.name}.{name}: unknown; it can be told {', '.join(known)}")
        return {name: _value(self.name, field, wanted.get(name, field.default)) for name, field in known.items()}


def _value(fault: str, field: Field, value: object) -> object:
    where = f"{fault}.{field.name}"
    if value is None:
        raise ValueError(f"{where}: must be said ({field.says})")
    if field.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, field.kind) or (isinstance(value, bool) and field.kind is not bool):
        raise ValueError(f"{where}: {value!r} is no {_KINDS[field.kind]}")
    if field.choices and value not in field.choices:
        raise ValueError(f"{where}: {value!r} is none of {', '.join(field.choices)}")
    if field.kind in (int, float) and field.name != "clock_skew_s" and value < 0:  # type: ignore[operator]
        raise ValueError(f"{where}: {value!r} is below 0")
    return value


_KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def _times(default: int) -> Field:
    return Field("times", int, default, "how often it happens; 0 until it is taken away")


_ACTION = Field("action", str, "*", 'the action that meets it, "*" for any')
_PRODUCT = Field("product", str, "", "the product (Ecs, Vpc, ROS, …), empty for any")
_WAIT = Field("retry_after_ms", int, 0, "what the header x-acs-retry-after says; 0 for no header")
_DEPLOYMENT = Field("deployment", str, "", "the value of the stack's tag garret:deployment, empty for every stack")


def _throttle(told: Mapping[str, Any]) -> tuple[Fault, ...]:
    return (
        Fault(
            told["action"], "error", told["product"], "Throttling.User", "Request was denied due to user flow control.",
            400, retry_after_ms=told["retry_after_ms"],
        ),
    )  # fmt: skip


def _answerless(effect: str) -> Callable[[Mapping[str, Any]], tuple[Fault, ...]]:
    return lambda told: (Fault(told["action"], effect, told["product"]),)


def _server_error(told: Mapping[str, Any]) -> tuple[Fault, ...]:
    code = {500: "InternalError", 503: "ServiceUnavailable"}.get(told["status"], "InternalError")
    text = "The request has failed due to a temporary failure of the server."
    return (Fault(told["action"], "error", told["product"], code, text, told["status"]),)


def _arrears(_: Mapping[str, Any]) -> tuple[Fault, ...]:
    text = "Your account does not have enough balance."
    ecs = [
        Fault(action, "error", "Ecs", code, text, status)
        for action, code, status in (
            ("RunInstances", "InvalidAccountStatus.NotEnoughBalance", 403),
            ("StartInstance", "InsufficientBalance", 403),
            ("StartInstances", "InsufficientBalance", 403),
            ("CreateSnapshot", "InvalidAccountStatus.NotEnoughBalance", 403),
            ("CreateDisk", "InvalidAccountStatus.NotEnoughBalance", 403),
            ("ModifyInstanceSpec", "Account.Arrearage", 400),
            ("ModifyPrepayInstanceSpec", "Account.Arrearage", 400),
            ("ResizeDisk", "DiskInArrears", 403),
        )
    ]
    vpc = [
        Fault(action, "error", "Vpc", code, text, 400)
        for action, code in (
            ("AllocateEipAddress", "InsufficientBalance"),
            ("ModifyEipAddressAttribute", "InsufficientBalance.Eip"),
            ("CreateNatGateway", "InsufficientBalance"),
        )
    ]
    return (*ecs, *vpc)


_ALL = (
    Named(
        "no_stock",
        "A zone, a type or a region has no more: OperationDenied.NoStock when an instance is made or started.",
        (
            Field("zone", str, "", "the zone, empty for every zone"),
            Field("type", str, "", "the instance type, empty for every type"),
            Field("region", str, "", "the region, empty for every region"),
            Field("shown", bool, False, "whether DescribeAvailableResource goes on showing stock"),
            _times(_FOR_EVER),
        ),
        {"zone": "cn-hangzhou-i", "type": "ecs.gn7i-c16g1.4xlarge"},
    ),
    Named(
        "throttle",
        "A call is refused with Throttling.User.",
        (_ACTION, _PRODUCT, _times(1), _WAIT),
        {"action": "DescribeInstances", "times": 3, "retry_after_ms": 500},
        _throttle,
    ),
    Named(
        "lost_reply",
        "A call is carried out, and its answer never comes.",
        (_ACTION, _PRODUCT, _times(1)),
        {"action": "CreateStack"},
        _answerless("lost"),
    ),
    Named(
        "unsent",
        "A call never arrives: nothing is carried out, and no answer comes.",
        (_ACTION, _PRODUCT, _times(1)),
        {"action": "CreateStack"},
        _answerless("unsent"),
    ),
    Named(
        "server_error",
        "A call is refused with an HTTP error of the 5xx kind; nothing is carried out.",
        (_ACTION, _PRODUCT, _times(1), Field("status", int, 503, "the HTTP status: 500 to 599")),
        {"product": "ROS", "status": 500},
        _server_error,
    ),
    Named(
        "quota",
        "A quota is used up: the vendor's QuotaExceed code at the action that counts towards it.",
        (
            Field("quota", str, None, "which", tuple(LIMITS)),
            _times(_FOR_EVER),
        ),
        {"quota": "eip_quota_instances_num"},
    ),
    Named(
        "arrears",
        "The account has no money: whatever costs is refused (InvalidAccountStatus.NotEnoughBalance and its kin), and "
        "the balance is below zero.",
        (_times(_FOR_EVER),),
        {},
        _arrears,
    ),
    Named(
        "slow_creation",
        "A stack's resource takes longer to make.",
        (
            Field("type", str, "*", 'the resource type (ALIYUN::ECS::InstanceGroup), "*" for any'),
            Field("seconds", float, None, "how much longer"),
            _times(_FOR_EVER),
        ),
        {"type": "ALIYUN::ECS::InstanceGroup", "seconds": 2},
    ),
    Named(
        "node_never_signals",
        "A node boots, and its stack never hears of it: the signal is taken and dropped.",
        (_DEPLOYMENT, _times(_FOR_EVER)),
        {"deployment": "film"},
    ),
    Named(
        "node_fails",
        "A node boots, and its stack hears that it failed.",
        (
            _DEPLOYMENT,
            Field("reason", str, "switched on at the local cloud's fault board", "what the signal says"),
            _times(_FOR_EVER),
        ),
        {"deployment": "film", "reason": "no GPU on this node"},
    ),
    Named(
        "node_crash",
        "A node made from now on dies in the middle of its bootstrap, once at each of these steps; it goes on when it "
        "is booted again.",
        (
            _DEPLOYMENT,
            Field("at", str, None, "steps with commas: ensure_python, or ensure_python:after"),
            _times(1),
        ),
        {"deployment": "film", "at": "ensure_front,ensure_service:after"},
    ),
    Named(
        "spot_reclaim",
        "The cloud wants a spot instance back: its metadata says when (instance/spot/termination-time), then it is "
        "released, or stopped economically where it was ordered with SpotInterruptionBehavior Stop. Other instances "
        "are refused here.",
        (
            Field("instance", str, "", "the instance's id, empty for any spot instance that runs or comes to run"),
            Field("deployment", str, "", "the value of the instance's tag garret:deployment, empty for every one"),
            Field("notice_s", float, 300.0, "how long before it is told, in seconds of the cloud's clock"),
            _times(1),
        ),
        {"deployment": "film"},
    ),
    Named(
        "latency",
        "Every call takes longer there and back; calls do not wait for each other.",
        (Field("latency_ms", float, None, "how much longer, in milliseconds"),),
        {"latency_ms": 50},
    ),
    Named(
        "clock_skew",
        "The cloud's clock is off: the Date header says so, and beyond 15 minutes calls are InvalidTimeStamp.Expired.",
        (Field("clock_skew_s", float, None, "by how many seconds the cloud is ahead; below 0: behind"),),
        {"clock_skew_s": 3600},
    ),
)
NAMED: dict[str, Named] = {named.name: named for named in _ALL}


def read(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A named fault as the board keeps it; {"latency_ms": 50} and {"clock_skew_s": 60} need no name beside them."""
    told = dict(wanted)
    short = {"latency_ms": "latency", "clock_skew_s": "clock_skew"}
    name = told.pop("fault", None) or next((short[one] for one in told if one in short), "")
    if name not in NAMED:
        raise ValueError(f"fault: {name!r} is none of {', '.join(NAMED)} (a raw one has an action and an effect)")
    values = NAMED[name].read(told)
    if name == "server_error" and not 500 <= values["status"] <= 599:
        raise ValueError(f"server_error.status: {values['status']} is not within 500 to 599")
    return {"fault": name, **values}
