"""Spot instances that the cloud takes back: told in their metadata minutes ahead, then released or stopped."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from garret.local_cloud.clock import parse_stamp, stamp
from garret.local_cloud.core import Cloud
from garret.local_cloud.ecs import lifecycle

FAULT = "spot_reclaim"
LOOK_S = 0.5  # between two looks at the cloud's clock, which people move on


def notice(cloud: Cloud) -> None:
    """Tell spot instances that run and are wanted back, and take those back whose time is up."""
    for body in cloud.store.find("instance"):
        runs = (body["Status"], body["Goal"]) == (lifecycle.RUNNING, lifecycle.RUNNING)
        spot = body.get("SpotStrategy", "NoSpot") != "NoSpot"
        if body.get("ReclaimAt") or (runs and spot and _told(cloud, body)):
            id = body["InstanceId"]
            cloud.background.start(f"reclaim {id}", partial(_take_back, cloud, id))


def _told(cloud: Cloud, body: dict[str, Any]) -> bool:
    """Write down when an instance is taken back, where the fault board wants it."""
    deployment = next((tag["Value"] for tag in body["Tags"] if tag["Key"] == "garret:deployment"), None)
    with cloud.store.transaction():
        fault = cloud.faults.named(FAULT, instance=body["InstanceId"], deployment=deployment)
        if fault is None:
            return False
        cloud.faults.use(fault)
        at = stamp(cloud.clock.now() + timedelta(seconds=fault["notice_s"]))
        cloud.store.update("instance", body["InstanceId"], ReclaimAt=at)
    return True


def _take_back(cloud: Cloud, id: str) -> None:
    while not cloud.background.stopping:
        body = cloud.store.get("instance", id)
        if body is None or not body.get("ReclaimAt") or body["Goal"] == lifecycle.DELETED:
            return
        left = (parse_stamp(body["ReclaimAt"]) - cloud.clock.now()).total_seconds()
        if left <= 0:
            _release(cloud, id)
            return
        cloud.background.wait(min(left, LOOK_S))


def _release(cloud: Cloud, id: str) -> None:
    """Release it, or stop it economically where it was ordered so; nobody's protection counts."""
    with cloud.store.transaction():
        body = cloud.store.get("instance", id)
        if body is None or body["Goal"] == lifecycle.DELETED:
            return
        changes: dict[str, object] = {"Goal": lifecycle.DELETED}
        if body.get("SpotInterruptionBehavior") == "Stop":
            changes = {"Goal": lifecycle.STOPPED, "StoppedMode": "StopCharging", "ForceStop": False, "PublicIp": ""}
            changes |= {} if body["Goal"] == lifecycle.STOPPED else {"Status": "Stopping"}
        cloud.store.update("instance", id, **changes, ReclaimAt="")
    lifecycle.settle_soon(cloud, id)
