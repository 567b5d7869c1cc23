"""Every method of every class that asks Alibaba Cloud, driven once: what it sends is what the API takes."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from garret.errors import GarretError
from garret.ops import aliyun
from garret.ops.aliyun.account import CloudAccount
from garret.ops.aliyun.probes import PROBES
from garret.ops.aliyun.products import PRODUCTS
from garret.ops.aliyun.session import Keys, Session
from tests.contract.checker import tables
from tests.contract.recorder import Record
from tests.ops.aliyun.vendor import StandingClock, Vendor, vendor_server

KEYS = Keys("LTAI0000000000000000test", "secret")
# Ids that some methods look for before they ask the next question.
ANSWER: dict[str, Any] = {
    "Execution": {"ExecutionId": "exec-1"},
    "InvokeId": "t-1",
    "StackId": "stack-1",
    "Status": "CREATE_COMPLETE",
    "AccountId": "1",
}
# What a type alone cannot say; the names are those of the methods' parameters.
SAMPLES: dict[str, Any] = {
    "template": "ROSTemplateFormatVersion: '2015-09-01'",
    "tags": {"garret:deployment": "garret", "team": "studio"},
    "action": "ecs:StopInstance",
    "parameters": {"ZoneId": "cn-hangzhou-k", "ImageId": "ubuntu_24"},
}
ASKS_NO_ACTION = ("CloudAccount.clock_skew_s",)
"""Reads the time off any answer."""
PLAIN: dict[Any, Any] = {str: "garret", int: 60, float: 1.5, bool: True, bytes: b"x"}


def roles() -> Iterator[type]:
    """The classes of ops/aliyun that take a session."""
    for module in pkgutil.iter_modules(aliyun.__path__):
        for _, value in inspect.getmembers(
            importlib.import_module(f"{aliyun.__name__}.{module.name}"), inspect.isclass
        ):
            takes = list(inspect.signature(value.__init__).parameters)[1:2]
            if value.__module__.startswith(aliyun.__name__) and takes == ["session"]:
                yield value


METHODS = sorted(
    {
        (role, name)
        for role in roles()
        for name, _ in inspect.getmembers(role, inspect.isfunction)
        if name[0] != "_" and f"{role.__name__}.{name}" not in ASKS_NO_ACTION
    },
    key=lambda pair: (pair[0].__name__, pair[1]),
)


def sample(name: str, kind: Any) -> Any:
    """A value for a parameter: by its name, else by its type."""
    if name in SAMPLES:
        return SAMPLES[name]
    origin, members = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return sample(name, next(member for member in members if member is not type(None)))
    if origin is not None and issubclass(origin, typing.Mapping):
        return {"key": sample("", members[1])}
    if origin is not None and issubclass(origin, Callable):  # type: ignore[arg-type]
        return lambda *_: None
    if origin is not None:  # a list, a tuple, a sequence
        return [sample("", members[0])]
    return PLAIN[kind]


def arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """Something for every parameter of a method, those with a default included."""
    kinds = typing.get_type_hints(function)
    return {name: sample(name, kinds[name]) for name in list(inspect.signature(function).parameters)[1:]}


@pytest.fixture
def answering() -> Iterator[tuple[Vendor, Record]]:
    """A vendor that answers everything with a little, and what was wrong with what it was asked."""
    record = Record()
    with vendor_server() as vendor:
        vendor.watch = record.take
        for actions in tables().values():
            for action in actions:
                vendor.says(action, ANSWER)
        yield vendor, record


def test_there_are_roles_to_drive() -> None:
    """The list is made by looking, and it sees what is there."""
    assert len({role for role, _ in METHODS}) >= 5
    assert len(METHODS) >= 20


@pytest.mark.parametrize(("role", "name"), METHODS, ids=[f"{role.__name__}.{name}" for role, name in METHODS])
def test_what_a_method_sends_the_api_takes(role: type, name: str, answering: tuple[Vendor, Record]) -> None:
    """With a value for every parameter, every parameter of the request is known, there, of its type, in its place."""
    vendor, record = answering
    session = Session("cn-hangzhou", dict.fromkeys(PRODUCTS, vendor.url), KEYS, StandingClock())
    method = getattr(role(session), name)
    with suppress(GarretError, KeyError, IndexError):  # the answer may be too little for it; the question counts
        answer = method(**arguments(getattr(role, name)))
        if isinstance(answer, Iterator):
            list(answer)
    assert record.actions, f"{role.__name__}.{name} asked nothing"
    assert record.faults == [], json.dumps(record.faults, indent=1)


@pytest.mark.parametrize("action", sorted(PROBES))
def test_what_doctor_asks_the_api_takes(action: str, answering: tuple[Vendor, Record]) -> None:
    """The harmless questions about rights are real requests, too."""
    vendor, record = answering
    session = Session("cn-hangzhou", dict.fromkeys(PRODUCTS, vendor.url), KEYS, StandingClock())
    CloudAccount(session).lacks(action)
    assert record.faults == []
