"""What every product of the local cloud is made of: calls, actions with their parameters, errors, and the Cloud.

A call reaches a handler by two doors, the wire (`server.py`) and `Cloud.call` (a stack that makes its resources);
both go through the same checks, faults and handlers.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

from garret.local_cloud.background import Background
from garret.local_cloud.clock import Clock
from garret.local_cloud.faults import Fault, Faults
from garret.local_cloud.ledger import Ledger
from garret.local_cloud.nodes.driver import Driver
from garret.local_cloud.regions import REGIONS
from garret.local_cloud.store import Store

ACCOUNT_ID = "1000000000000000"  # sixteen digits like the vendor's, and plainly nobody's
READS = ("Describe", "List", "Get", "Query", "Validate", "Preview")
_CALLER: ContextVar[str] = ContextVar("caller", default="")


class ApiError(Exception):
    """An answer of the cloud that is an error: the vendor's `code`, a text, and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400, *, retry_after_ms: int = 0) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.retry_after_ms = retry_after_ms
        self.met: dict[str, Any] | None = None  # the named fault that this refusal is of
        self.detail: dict[str, str] = {}  # AccessDeniedDetail of a call that was not allowed
        self.request_id = ""  # of the call from inside that was refused: a stack tells it in its reason


class LostReply(Exception):
    """The fault board wants this call to have no answer: the server drops the connection."""


@dataclass(frozen=True)
class Call:
    """One call as a handler sees it; `params` are flat, as on the wire ("Tag.1.Key")."""

    product: str
    action: str
    region: str
    params: Mapping[str, str]
    request_id: str
    access_key_id: str
    door: str = "outer"  # "inner": a stack calls, with the rights of whoever asked for it


Handler = Callable[[Call, "Cloud"], dict[str, Any]]


@dataclass(frozen=True)
class Parameter:
    """A parameter that an action looks at; a name ending in ".N" is a list ("InstanceId.N", "Tag.N.Key")."""

    name: str
    required: bool = False
    kind: str = "string"  # string, integer, boolean or json
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Action:
    """One emulated action; `note` says on the coverage page what it leaves out."""

    handler: Handler
    parameters: tuple[Parameter, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Product:
    """One of the vendor's products: its name, API version, and the package that emulates it."""

    name: str
    version: str
    package: str

    def actions(self) -> dict[str, Action]:
        """The actions that are emulated, by name."""
        return cast("dict[str, Action]", importlib.import_module(f"{self.package}.actions").ACTIONS)

    def recover(self, cloud: Cloud) -> None:
        """Take up work that a killed server left half done, where the product has a `recovery` module."""
        name = f"{self.package}.recovery"
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name).recover(cloud)


PRODUCTS: dict[str, Product] = {
    product.name: product
    for product in (
        Product("Ecs", "2014-05-26", "garret.local_cloud.ecs"),
        Product("Vpc", "2016-04-28", "garret.local_cloud.vpc"),
        Product("ROS", "2019-09-10", "garret.local_cloud.ros"),
        Product("Sts", "2015-04-01", "garret.local_cloud.sts"),
        Product("Ram", "2015-05-01", "garret.local_cloud.ram"),
        Product("Oos", "2019-06-01", "garret.local_cloud.oos"),
        Product("quotas", "2020-05-10", "garret.local_cloud.quotas"),
        Product("BssOpenApi", "2017-12-14", "garret.local_cloud.bss"),
    )
}


def product_of_version(version: str) -> Product | None:
    """The product that speaks this API version, or None."""
    return next((product for product in PRODUCTS.values() if product.version == version), None)


def find_action(product: Product, name: str) -> Action:
    """The action of this name; ApiError 404 InvalidAction.NotFound when it is not emulated."""
    action = product.actions().get(name)
    if action is None:
        raise not_emulated(f"{product.name} {name}")
    return action


def not_emulated(what: str) -> ApiError:
    """The loud answer to what the local cloud does not do."""
    text = f"garret's local cloud does not emulate {what}; see docs/local-cloud-coverage.md"
    return ApiError("InvalidAction.NotFound", text, 404)


def access(action: str) -> str:
    """Whether an action only reads: "read" or "write"."""
    return "read" if action.startswith(READS) else "write"


@contextmanager
def acting_as(access_key_id: str) -> Iterator[None]:
    """Make the calls from inside that the block asks for, now or on threads it starts, with the rights of this key."""
    before = _CALLER.set(access_key_id)
    try:
        yield
    finally:
        _CALLER.reset(before)


def caller() -> str:
    """The key of whoever asked for the present work; empty when nobody did (a server that takes up its work)."""
    return _CALLER.get()


def new_request_id() -> str:
    """A request id in the vendor's form."""
    return str(uuid.uuid4()).upper()


@dataclass
class Cloud:
    """One local cloud: what it remembers, what boots its nodes, and how its parts call each other."""

    store: Store
    driver: Driver
    clock: Clock
    faults: Faults
    background: Background
    base_url: str
    access_key_id: str = "local"
    extras: dict[str, Any] = field(default_factory=dict)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.store, self.clock)
        moved = self.store.get("clock", "clock")
        self.clock.advance(moved["advanced_s"] if moved else 0)

    def advance(self, seconds: float) -> None:
        """Move the cloud's time on; it stays so after a restart."""
        self.clock.advance(seconds)
        self.store.put("clock", "clock", {"id": "clock", "advanced_s": self.clock.advanced_s})

    def call(self, product: str, action: str, region: str, params: Mapping[str, str]) -> dict[str, Any]:
        """Call an action from inside, with the checks and faults of the wire; returns the body without RequestId."""
        full = {"RegionId": region, **params}
        key = caller() or self.access_key_id
        call = Call(PRODUCTS[product].name, action, region, full, new_request_id(), key, "inner")
        started, code = time.perf_counter(), ""
        try:
            return self.perform(call)
        except ApiError as error:
            error.request_id, code = call.request_id, error.code
            raise
        finally:
            self.log(call, code, time.perf_counter() - started)

    def perform(self, call: Call) -> dict[str, Any]:
        """Check the caller's rights and the call, let it meet its faults, and carry it out.

        Errors: ApiError for what the cloud refuses; LostReply when the fault board drops the connection.
        """
        from garret.local_cloud import rights

        action = find_action(PRODUCTS[call.product], call.action)
        rights.check(call, self)
        if call.region not in REGIONS and call.region:
            known = ", ".join(REGIONS)
            raise ApiError("InvalidRegionId.NotFound", f"The region {call.region!r} does not exist: {known}.", 404)
        check_parameters(action, call.params)
        fault = self.faults.take(call.product, call.action, call.params)
        if fault is not None:
            _before(fault)
        try:
            with acting_as(call.access_key_id):
                reply = action.handler(call, self)
        except ApiError as error:
            if error.met is not None:  # counted here: the transaction of the handler was rolled back
                self.faults.use(error.met)
            raise
        if fault is not None and fault.effect == "lost":
            raise LostReply(f"{call.action}: carried out, answer dropped")
        return reply

    def log(self, call: Call, code: str, seconds: float) -> None:
        """Write a call into the log of calls; of its parameters the names only."""
        self.store.log_call(
            {
                "at": self.clock.stamp(),
                "product": call.product,
                "action": call.action,
                "access": access(call.action) if call.action else "none",
                "code": code,
                "request_id": call.request_id,
                "seconds": round(seconds, 6),
                "key": call.access_key_id,
                "door": call.door,
                "params": sorted(call.params),
            }
        )

    def recover(self) -> None:
        """Let every product take up what a killed server left half done."""
        for product in PRODUCTS.values():
            product.recover(self)


def check_parameters(action: Action, params: Mapping[str, str]) -> None:
    """Refuse what is missing or of the wrong kind; parameters nobody knows are ignored, as the vendor does."""
    for parameter in action.parameters:
        if ".N" in parameter.name:
            _check_list(parameter, params)
            continue
        value = params.get(parameter.name, "")
        if value == "":
            if parameter.required:
                raise missing(parameter.name)
            continue
        _check_value(parameter, value)


def missing(name: str) -> ApiError:
    """The vendor's answer to a parameter that is not there."""
    return ApiError("MissingParameter", f'The input parameter "{name}" that is mandatory for this request is missing.')


def invalid(name: str, reason: str) -> ApiError:
    """The vendor's answer to a parameter whose value is no good."""
    return ApiError("InvalidParameter", f"The specified parameter {name} is not valid: {reason}.")


def _check_list(parameter: Parameter, params: Mapping[str, str]) -> None:
    head, _, tail = parameter.name.partition(".N")
    if parameter.required and not params.get(f"{head}.1{tail}"):
        raise missing(f"{head}.1{tail}")


def _check_value(parameter: Parameter, value: str) -> None:
    if parameter.kind == "integer":
        try:
            int(value)
        except ValueError:
            raise invalid(parameter.name, f"{value!r} is no whole number") from None
    elif parameter.kind == "boolean" and value.lower() not in ("true", "false"):
        raise invalid(parameter.name, f"{value!r} is neither true nor false")
    elif parameter.kind == "json":
        _check_json(parameter.name, value)
    if parameter.choices and value not in parameter.choices:
        raise invalid(parameter.name, f"{value!r} is none of {', '.join(parameter.choices)}")


def _check_json(name: str, value: str) -> None:
    import json

    try:
        json.loads(value)
    except ValueError:
        raise invalid(name, "it is no JSON text") from None


def _before(fault: Fault) -> None:
    if fault.effect == "slow":
        time.sleep(fault.seconds)
    elif fault.effect == "unsent":
        raise LostReply("dropped before anything was carried out")
    elif fault.effect == "error":
        raise ApiError(fault.code, fault.message, fault.status, retry_after_ms=fault.retry_after_ms)
