"""Starting, stopping and deleting instances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from garret.local_cloud.clock import minute_stamp
from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.ecs import catalog, lifecycle
from garret.local_cloud.params import Reply, dry_run, flag, numbered
from garret.local_cloud.quotas import limits
from garret.local_cloud.vpc.loopback import free_address

KEEP, STOP_CHARGING, NOT_APPLICABLE = "KeepCharging", "StopCharging", "Not-applicable"


def start_instance(call: Call, cloud: Cloud) -> Reply:
    """Start one stopped instance."""
    _start(call, cloud, call.params["InstanceId"])
    return {}


def start_instances(call: Call, cloud: Cloud) -> Reply:
    """Start stopped instances, each for itself."""
    return _each(call, cloud, _start, "Starting")


def stop_instance(call: Call, cloud: Cloud) -> Reply:
    """Stop one running instance; StoppedMode says whether its hours go on being billed."""
    _stop(call, cloud, call.params["InstanceId"])
    return {}


def stop_instances(call: Call, cloud: Cloud) -> Reply:
    """Stop running instances, each for itself."""
    return _each(call, cloud, _stop, "Stopping")


def reboot_instance(call: Call, cloud: Cloud) -> Reply:
    """Stop a running instance and start it again."""
    id = call.params["InstanceId"]
    with cloud.store.transaction():
        _expect(lifecycle.find_instance(cloud, id), "Running")
        dry_run(call)
        force = flag(call.params, "ForceStop")
        cloud.store.update("instance", id, Status="Stopping", Reboot=True, Goal=lifecycle.STOPPED, ForceStop=force)
    lifecycle.settle_soon(cloud, id)
    return {}


def delete_instance(call: Call, cloud: Cloud) -> Reply:
    """Delete one instance: a stopped one, or any with Force."""
    _delete(call, cloud, [call.params["InstanceId"]])
    return {}


def delete_instances(call: Call, cloud: Cloud) -> Reply:
    """Delete instances, all or none."""
    _delete(call, cloud, numbered(call.params, "InstanceId"))
    return {}


def _start(call: Call, cloud: Cloud, id: str) -> str:
    with cloud.store.transaction():
        body = lifecycle.find_instance(cloud, id)
        before = _expect(body, "Stopped")
        if body["StoppedMode"] == STOP_CHARGING:  # its place was given up: the shelf must have another
            catalog.check_stock(cloud, body["ZoneId"], body["InstanceType"])
            limits.check_vcpus(cloud, body, body["InstanceType"])
        dry_run(call)
        own = {"PublicIp": free_address(cloud)} if body.get("Bandwidth") and not body["PublicIp"] else {}
        going = {"Goal": lifecycle.RUNNING, "Status": "Starting", "StoppedMode": NOT_APPLICABLE, "Trouble": ""}
        cloud.store.update("instance", id, **going, **own)
    lifecycle.settle_soon(cloud, id)
    return before


def _stop(call: Call, cloud: Cloud, id: str) -> str:
    with cloud.store.transaction():
        body = lifecycle.find_instance(cloud, id)
        before = _expect(body, "Running")
        dry_run(call)
        # One that was paid for beforehand has no economical mode: it stops all the same, and no error says so.
        paid_before = body.get("InstanceChargeType") == "PrePaid"
        mode = NOT_APPLICABLE if paid_before else call.params.get("StoppedMode") or KEEP
        cloud.store.update(
            "instance",
            id,
            Goal=lifecycle.STOPPED,
            Status="Stopping",
            ForceStop=flag(call.params, "ForceStop"),
            StoppedMode=mode,
            # An economical stop gives up the instance's own address; an Elastic IP stays.
            PublicIp="" if mode == STOP_CHARGING else body.get("PublicIp", ""),
            ReclaimAt="" if mode == STOP_CHARGING else body.get("ReclaimAt", ""),  # there is nothing left to take back
        )
    lifecycle.settle_soon(cloud, id)
    return before


def _delete(call: Call, cloud: Cloud, ids: list[str]) -> None:
    force = flag(call.params, "Force")
    with cloud.store.transaction():
        for id in ids:
            body = lifecycle.find_instance(cloud, id)
            if body["DeletionProtection"]:
                raise ApiError("InvalidOperation.DeletionProtection", f"{id} is protected from deletion.", 403)
            if body.get("InstanceChargeType") == "PrePaid" and body["ExpiredTime"] > minute_stamp(cloud.clock.now()):
                text = f"{id} is paid for until {body['ExpiredTime']}; make it PostPaid before it is deleted."
                raise ApiError("ChargeTypeViolation", text, 403)
            if not force:
                _expect(body, "Stopped")
        dry_run(call)
        for id in ids:
            cloud.store.update("instance", id, Goal=lifecycle.DELETED)
    for id in ids:
        lifecycle.settle_soon(cloud, id)


def _expect(body: dict[str, Any], status: str) -> str:
    now = str(body["Status"])
    if now != status:
        text = f"{body['InstanceId']} is {now}; this needs {status}."
        raise ApiError("IncorrectInstanceStatus", text, 403)
    return now


def _each(call: Call, cloud: Cloud, act: Callable[[Call, Cloud, str], str], after: str) -> Reply:
    answers = []
    for id in numbered(call.params, "InstanceId"):
        try:
            before = act(call, cloud, id)
            answers.append(_answer(id, "200", "success", before, after))
        except ApiError as error:
            if error.met is not None:
                cloud.faults.use(error.met)
            body = cloud.store.get("instance", id) or {"Status": ""}
            answers.append(_answer(id, error.code, error.message, body["Status"], body["Status"]))
    return {"InstanceResponses": {"InstanceResponse": answers}}


def _answer(id: str, code: str, message: str, before: str, now: str) -> dict[str, str]:
    return {"InstanceId": id, "Code": code, "Message": message, "PreviousStatus": before, "CurrentStatus": now}
