"""A server that is killed at any write of an update or its rollback: the next one ends it, with nothing left over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from garret.local_cloud.background import Background
from garret.local_cloud.clock import Clock
from garret.local_cloud.core import ApiError, Cloud
from garret.local_cloud.faults import Fault, Faults
from garret.local_cloud.ros import records
from tests.local_cloud.house import KEY, REGION, PaperDriver, until
from tests.local_cloud.ros.changing import group, switch
from tests.local_cloud.ros.stage import network, template
from tests.local_cloud.ros.test_recovery import KilledError, MortalStore

STRIDE = 5  # of the writes at which the server dies; 1 tries them all (153, 23 s)
LAST = "192.168.3.0/24"
BEFORE = template(network(Group=group(443), Gone=switch("192.168.2.0/24")))
AFTER = template(
    network(
        Switch=switch("192.168.9.0/24"),
        Group=group(8443, DependsOn="Switch"),
        Last=switch(LAST, DependsOn="Group"),
    )
)


@contextmanager
def running(store: MortalStore) -> Iterator[Cloud]:
    """Let a cloud live on the store."""
    cloud = Cloud(store, PaperDriver(), Clock(), Faults(store), Background(), "http://127.0.0.1:1", KEY)
    try:
        yield cloud
    finally:
        cloud.background.stop(10)


def stack(cloud: Cloud) -> dict[str, Any]:
    """Return the one stack."""
    return cloud.store.find(records.STACK)[0]


def rest(cloud: Cloud) -> bool:
    """Whether nothing is under way."""
    return not stack(cloud)["status"].endswith("_IN_PROGRESS")


def picture(cloud: Cloud) -> dict[str, Any]:
    """Return what the cloud has, and what the stack says that it has."""
    there = {kind: sorted(one[key] for one in cloud.store.find(kind)) for kind, key in IDS.items()}
    listed = cloud.call("ROS", "ListStackResources", REGION, {"StackId": stack(cloud)["id"]})["Resources"]
    ids = sorted(one["PhysicalResourceId"] for one in listed)
    assert ids == sorted(id for found in there.values() for id in found)
    ports = [rule["PortRange"] for one in cloud.store.find("security_group") for rule in one["Rules"]]
    return {"there": there, "ports": ports, "names": sorted(one["LogicalResourceId"] for one in listed)}


IDS = {"vpc": "VpcId", "vswitch": "VSwitchId", "security_group": "SecurityGroupId"}


def update(cloud: Cloud, *, by_set: bool) -> None:
    """Ask for the update, as a client does that does not know how far an earlier asking came."""
    wanted = {
        "StackId": stack(cloud)["id"], "TemplateBody": AFTER, "ReplacementOption": "Enabled", "ClientToken": "u-1",
    }  # fmt: skip
    try:
        if not by_set:
            cloud.call("ROS", "UpdateStack", REGION, wanted)
            return
        id = cloud.call("ROS", "CreateChangeSet", REGION, {**wanted, "ChangeSetName": "next"})["ChangeSetId"]
        until(lambda: cloud.store.get("change_set", id)["status"] != "CREATE_IN_PROGRESS")  # type: ignore[index]
        cloud.call("ROS", "ExecuteChangeSet", REGION, {"ChangeSetId": id, "ClientToken": "u-2"})
    except ApiError as problem:
        if problem.code != "ActionInProgress":
            raise


@pytest.mark.parametrize("way", ["update", "change set", "rollback"])
def test_killed_at_any_write(way: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Replacing, changing, adding and removing end well after a kill; a failure ends in exactly what was before."""
    writes = 1
    while True:
        store = MortalStore()
        with running(store) as cloud:
            cloud.call("ROS", "CreateStack", REGION, {"StackName": "demo", "TemplateBody": BEFORE})
            until(lambda cloud=cloud: rest(cloud))  # type: ignore[misc]
            before = picture(cloud)
            if way == "rollback":
                broken = Fault("CreateVSwitch", code="Forbidden", status=403, times=0, match={"CidrBlock": LAST})
                cloud.faults.add(broken)
            store.left = writes
            try:
                update(cloud, by_set=way == "change set")
                until(lambda cloud=cloud, store=store: store.left == 0 or rest(cloud))  # type: ignore[misc]
            except (KilledError, AssertionError):
                assert store.left == 0
            dead = store.left == 0
            cloud.background.stop(10)
        store.left = None
        with running(store) as cloud:
            cloud.recover()
            update(cloud, by_set=way == "change set")
            until(lambda cloud=cloud: rest(cloud))  # type: ignore[misc]
            after = picture(cloud)
            why = (writes, stack(cloud)["status_reason"])
            if way == "rollback":
                assert (stack(cloud)["status"], after) == ("ROLLBACK_COMPLETE", before), why
            else:
                assert stack(cloud)["status"] == "UPDATE_COMPLETE", why
                assert (after["names"], after["ports"]) == (["Group", "Last", "Switch", "Vpc"], ["8443/8443"]), why
                assert not set(after["there"]["vswitch"]) & set(before["there"]["vswitch"]), why
            for one in store.find("change_set"):
                assert one["execution"] == "EXECUTE_COMPLETE", why
        if not dead:
            break
        writes += STRIDE
    assert writes > 5 * STRIDE  # it died often enough to mean something
    capfd.readouterr()  # the dying servers' tracebacks
