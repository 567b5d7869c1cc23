"""One cloud of the vendor's, by role."""

from __future__ import annotations

from collections.abc import Mapping

from garret.ops.aliyun.assistant import EcsAssistant
from garret.ops.aliyun.catalog import EcsCatalog
from garret.ops.aliyun.instances import EcsInstances
from garret.ops.aliyun.network import VpcNetwork
from garret.ops.aliyun.session import Keys, Session
from garret.ops.aliyun.stacks import RosStacks
from garret.ops.cloud import Clock, Cloud, SystemClock

POLL_S = {"aliyun": 5.0, "local": 0.2}
ASSISTANT_POLL_S = {"aliyun": 1.0, "local": 0.05}


def connect(
    kind: str, region: str, endpoints: Mapping[str, str], keys: Keys | None = None, clock: Clock | None = None
) -> Cloud:
    """Return the cloud; nothing is sent, and no SDK is imported, before it is asked for something."""
    watch = clock or SystemClock()
    session = Session(region, endpoints, keys, watch)
    return Cloud(
        kind=kind,
        region=region,
        stacks=RosStacks(session),
        instances=EcsInstances(session),
        network=VpcNetwork(session),
        catalog=EcsCatalog(session),
        assistant=EcsAssistant(session, ASSISTANT_POLL_S[kind]),
        clock=watch,
        poll_s=POLL_S[kind],
    )
