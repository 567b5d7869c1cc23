"""One cloud of the vendor's, by role."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from garret.ops.aliyun.account import CloudAccount
from garret.ops.aliyun.assistant import EcsAssistant
from garret.ops.aliyun.bills import BssBills
from garret.ops.aliyun.catalog import EcsCatalog
from garret.ops.aliyun.change_sets import RosChanges
from garret.ops.aliyun.instances import EcsInstances
from garret.ops.aliyun.network import VpcNetwork
from garret.ops.aliyun.retries import silent
from garret.ops.aliyun.session import Keys, Session
from garret.ops.aliyun.snapshots import EcsSnapshots
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
) -> Cloud:
    """Return the cloud; nothing is sent, and no SDK is imported, before it is asked for something.

    `tell` hears a line whenever a person waits longer since a call has to be sent again.
    """
    watch = clock or SystemClock()
    near = is_loopback(urlsplit(endpoints.get("ros", "")).hostname or "")
    session = Session(region, endpoints, keys, watch, tell)
    return Cloud(
        kind=kind,
        region=region,
        stacks=RosStacks(session),
        instances=EcsInstances(session),
        network=VpcNetwork(session),
        catalog=EcsCatalog(session),
        assistant=EcsAssistant(session, ASSISTANT_POLL_NEAR_S if near else ASSISTANT_POLL_S),
        clock=watch,
        poll_s=POLL_NEAR_S if near else POLL_S,
        snapshots=EcsSnapshots(session),
        account=CloudAccount(session),
        bills=BssBills(session),
        changes=RosChanges(session, ASSISTANT_POLL_NEAR_S if near else ASSISTANT_POLL_S),
    )
