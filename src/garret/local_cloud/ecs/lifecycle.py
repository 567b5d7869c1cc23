"""The life of an instance: what it should be (its goal), and the work in the background that brings it there.

All driver calls of one instance happen on its one thread, so a delete never runs beside a boot. The goal is in the
store; after `kill -9` the work is taken up from there.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping
from typing import Any

from garret.local_cloud import metadata
from garret.local_cloud.core import ApiError, Cloud
from garret.local_cloud.ecs import firewall, freezing
from garret.local_cloud.nodes.driver import DriverError, NodeRequest

RUNNING, STOPPED, DELETED = "Running", "Stopped", "Deleted"
RETRY_S = 2.0


def find_instance(cloud: Cloud, id: str) -> dict[str, Any]:
    """The instance of this id; ApiError InvalidInstanceId.NotFound when there is none or it is on its way out."""
    body = cloud.store.get("instance", id)
    if body is None or body["Goal"] == DELETED:
        raise ApiError("InvalidInstanceId.NotFound", f"The specified InstanceId {id!r} does not exist.", 404)
    return noticed(cloud, body)


def observed(cloud: Cloud, region: str, **filters: object) -> list[dict[str, Any]]:
    """The instances of a region as they are now, nodes that died by themselves included."""
    return [noticed(cloud, body) for body in cloud.store.find("instance", region, **filters)]


def noticed(cloud: Cloud, body: dict[str, Any]) -> dict[str, Any]:
    """The instance as it is now: one whose node ended by itself is on its way to Stopped, and still paid for."""
    id = body["InstanceId"]
    if (body["Status"], body["Goal"]) != (RUNNING, RUNNING) or cloud.driver.alive(id):
        return body
    with cloud.store.transaction():
        now = cloud.store.get("instance", id) or body
        if (now["Status"], now["Goal"]) != (RUNNING, RUNNING):
            return now
        changes: dict[str, object] = {"Goal": STOPPED, "Status": "Stopping", "StoppedMode": "KeepCharging"}
        cloud.store.update("instance", id, **changes, ForceStop=True, Trouble="the node ended by itself")
    settle_soon(cloud, id)  # ends what the node left running
    return now | changes


def settle_soon(cloud: Cloud, id: str) -> None:
    """Bring an instance to its goal in the background."""
    cloud.background.ensure(f"instance {id}", lambda: settle(cloud, id))


def guard_again(cloud: Cloud, vpc_id: str) -> None:
    """Have the nodes of a network told their ingress rules where these have changed."""
    bodies = cloud.store.find("instance", VpcId=vpc_id)
    members = firewall.members_of(bodies)
    for body in bodies:
        lives = body["Made"] and body["Goal"] != DELETED
        if lives and body.get("GuardTold") != firewall.digest(firewall.rules_of(cloud, body, members)):
            settle_soon(cloud, body["InstanceId"])


def settle(cloud: Cloud, id: str) -> None:
    """Bring an instance to its goal; the goal may change meanwhile."""
    while not cloud.background.stopping:
        body = cloud.store.get("instance", id)
        if body is None:
            return
        try:
            if not _step(cloud, body):
                return
        except (DriverError, OSError) as error:
            sys.stderr.write(f"{id}: {error}\n")
            if body["Goal"] == DELETED:
                cloud.background.wait(RETRY_S)  # it stays in sight until it is really gone
                continue
            cloud.store.update("instance", id, Goal=STOPPED, Status=STOPPED, Trouble=str(error))
            return


def public_address(body: Mapping[str, Any]) -> str:
    """The address that leads to an instance from outside: its Elastic IP, else its own; empty for none."""
    return str(body["EipAddress"] or body.get("PublicIp", ""))


def _step(cloud: Cloud, body: dict[str, Any]) -> bool:
    """Do the next thing an instance needs; False when it needs nothing."""
    id, goal = body["InstanceId"], body["Goal"]
    if body["Made"] and freezing.freeze_next(cloud, id):
        return True
    if goal == DELETED:
        _remove(cloud, body)
        return False
    if not body["Made"]:
        _make(cloud, body)
    elif body.get("GuardTold") != (wanted := firewall.digest(rules := firewall.rules_of(cloud, body))):
        cloud.driver.guard(id, rules)
        cloud.store.update("instance", id, GuardTold=wanted)
    elif body["AddressTold"] != (address := public_address(body)):
        cloud.driver.attach_address(id, address or None)
        cloud.store.update("instance", id, AddressTold=address)
    elif goal == RUNNING and body["Status"] != RUNNING:
        cloud.driver.boot(id)
        cloud.store.update("instance", id, Status=RUNNING, StartTime=cloud.clock.stamp(), Trouble="")
        _take_back_spot(cloud)
    elif goal == STOPPED and body["Status"] != STOPPED:
        cloud.driver.stop(id, force=body["ForceStop"])
        again: dict[str, object] = {"Goal": RUNNING, "Reboot": False} if body.get("Reboot") else {}
        cloud.store.update("instance", id, Status="Starting" if again else STOPPED, **again)
    else:
        return False
    return True


def _take_back_spot(cloud: Cloud) -> None:
    from garret.local_cloud.ecs import spot  # which stops and deletes by what is here

    spot.notice(cloud)


def _make(cloud: Cloud, body: dict[str, Any]) -> None:
    vpc = cloud.store.get("vpc", body["VpcId"]) or {}
    vswitch = cloud.store.get("vswitch", body["VSwitchId"]) or {}
    request = NodeRequest(
        instance_id=body["InstanceId"],
        user_data=base64.b64decode(body["UserData"]).decode("utf-8", "replace"),
        private_ip=body["PrivateIp"],
        hostname=body["HostName"],
        public_ip=public_address(body) or None,
        environment=metadata.environment(cloud, body["InstanceId"]) | _crash(cloud, body),
        region=body["RegionId"],
        image_id=body["ImageId"],
        vpc_id=body["VpcId"],
        vpc_cidr=vpc.get("CidrBlock", ""),
        vswitch_cidr=vswitch.get("CidrBlock", ""),
        mac=metadata.mac_of(body["InstanceId"]),
    )
    cloud.driver.create(request)
    changes: dict[str, object] = {"Made": True, "AddressTold": public_address(body)}
    if body["Goal"] == RUNNING:
        changes["Status"] = "Starting"
    cloud.store.update("instance", body["InstanceId"], **changes)


def _crash(cloud: Cloud, body: Mapping[str, Any]) -> dict[str, str]:
    """Where the fault board wants the node's bootstrap to die, as the node is told it."""
    deployment = next((tag["Value"] for tag in body["Tags"] if tag["Key"] == "garret:deployment"), "")
    wanted = cloud.faults.named("node_crash", deployment=deployment)
    if wanted is None:
        return {}
    cloud.faults.use(wanted)
    return {"GARRET_NODE_CRASH_AT": wanted["at"]}


def _remove(cloud: Cloud, body: dict[str, Any]) -> None:
    id = body["InstanceId"]
    cloud.driver.destroy(id)
    with cloud.store.transaction():
        for address in cloud.store.find("eip", InstanceId=id):
            cloud.store.update("eip", address["AllocationId"], Status="Available", InstanceId="", InstanceType="")
        for disk in cloud.store.find("disk", InstanceId=id):
            if disk["DeleteWithInstance"]:
                cloud.store.delete("disk", disk["DiskId"])
            else:
                cloud.store.update("disk", disk["DiskId"], InstanceId="", Status="Available", Device="")
        cloud.store.delete("instance", id)
        metadata.forget(cloud, id)
    guard_again(cloud, body["VpcId"])  # rules that let this instance's address in have one address less
