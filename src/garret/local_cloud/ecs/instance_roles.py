"""Which role an instance calls the cloud as: AttachInstanceRamRole and its like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud, missing
from garret.local_cloud.ecs import lifecycle
from garret.local_cloud.params import Reply, names, page
from garret.local_cloud.ram.roles import check_instance_role


def attach_instance_ram_role(call: Call, cloud: Cloud) -> Reply:
    """Give instances a role, each for itself; one that has another keeps it."""
    role = call.params["RamRoleName"]
    check_instance_role(cloud, role)

    def give(body: dict[str, Any]) -> str:
        if body.get("RamRoleName", "") not in ("", role):
            text = f"{body['InstanceId']} has the role {body['RamRoleName']} already: detach it first."
            raise ApiError("OperationDenied.RamRoleAttached", text, 403)
        return role

    return _each(call, cloud, "Attach", give)


def detach_instance_ram_role(call: Call, cloud: Cloud) -> Reply:
    """Take the role from instances, each for itself."""
    role = call.params.get("RamRoleName", "")
    return _each(call, cloud, "Detach", lambda body: "" if role in ("", _role(body)) else _role(body))


def describe_instance_ram_role(call: Call, cloud: Cloud) -> Reply:
    """The roles of instances, by instance or role."""
    ids, role = names(call.params, "InstanceIds"), call.params.get("RamRoleName", "")
    if not ids and not role:
        raise missing("InstanceIds")
    found = [
        {"InstanceId": body["InstanceId"], "RamRoleName": _role(body)}
        for body in cloud.store.find("instance", call.region)
        if (not ids or body["InstanceId"] in ids) and role in ("", _role(body)) and (_role(body) or ids)
    ]
    some, counts = page(call, found, high=50)
    return {"InstanceRamRoleSets": {"InstanceRamRoleSet": some}, "RegionId": call.region, **counts}


def _role(body: dict[str, Any]) -> str:
    return str(body.get("RamRoleName", ""))


def _each(call: Call, cloud: Cloud, verb: str, role: Callable[[dict[str, Any]], str]) -> Reply:
    results = []
    for id in names(call.params, "InstanceIds"):
        try:
            body = lifecycle.find_instance(cloud, id)
            cloud.store.update("instance", id, RamRoleName=role(body))
            results.append({"InstanceId": id, "Success": True, "Code": "200", "Message": "successful"})
        except ApiError as error:
            results.append({"InstanceId": id, "Success": False, "Code": error.code, "Message": error.message})
    failed = sum(1 for one in results if not one["Success"])
    sets = {f"{verb}InstanceRamRoleResult": results}
    name = call.params.get("RamRoleName", "")
    return {
        "RamRoleName": name,
        "TotalCount": len(results),
        "FailCount": failed,
        f"{verb}InstanceRamRoleResults": sets,
    }
