"""One cloud of the vendor's, by role."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from garret.ops.aliyun.instances import EcsInstances
from garret.ops.aliyun.retries import silent
from garret.ops.aliyun.session import Keys, Session
from garret.ops.aliyun.stacks import RosStacks
from garret.ops.cloud import Cloud, SystemClock
from garret.settings import is_loopback

if TYPE_CHECKING:
    from garret.ops.roles import Clock

POLL_S, POLL_NEAR_S = 5.0, 0.2
ASSISTANT_POLL_S, ASSISTANT_POLL_NEAR_S = 1.0, 0.05
"""How long to wait between two looks, at a cloud far away and at one on loopback."""


def connect(
    kind: str,
    region: str,
    endpoints: Mapping[str, str],
    keys: Keys | None = None,
    clock: Clock | None = None,
    *,
    tell: Callable[[str], None] = silent,
    scheme: str = "https",
) -> Cloud:
    """Return the cloud; nothing is sent, and no SDK is imported, before it is asked for something.

    `tell` hears a line whenever a person waits longer since a call has to be sent again.
    """
    watch = clock or SystemClock()
    near = is_loopback(urlsplit(endpoints.get("ros", "")).hostname or "")
    often = ASSISTANT_POLL_NEAR_S if near else ASSISTANT_POLL_S
    session = Session(region, endpoints, keys, watch, tell)
    return Cloud(
        kind=kind,
        scheme=scheme,
        region=region,
        stacks=RosStacks(session),
        instances=EcsInstances(session),
        network=later("network", "VpcNetwork", session),
        catalog=later("catalog", "EcsCatalog", session),
        assistant=later("assistant", "EcsAssistant", session, often),
        clock=watch,
        poll_s=POLL_NEAR_S if near else POLL_S,
        snapshots=later("snapshots", "EcsSnapshots", session),
        account=later("account", "CloudAccount", session),
        bills=later("bills", "BssBills", session),
        images=later("images", "EcsImages", session),
        automation=later("oos", "OosAutomation", session),
        ingress=later("ingress", "EcsIngress", session),
        changes=later("change_sets", "RosChanges", session, often),
    )


class Later:
    """A role that is made when it is first asked: no command needs them all, and each one's module takes its time."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        """What the role itself has of this name."""
        return getattr(self._role, name)

    @cached_property
    def _role(self) -> Any:
        return self._make()


def later(module: str, name: str, *arguments: object) -> Any:
    """The role of this name in a module beside this one, made when it is first asked."""
    return Later(lambda: getattr(import_module(f"garret.ops.aliyun.{module}"), name)(*arguments))
