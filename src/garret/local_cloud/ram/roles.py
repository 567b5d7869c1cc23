"""Roles: who may take them, and for how long. They are kept and shown; nobody takes them here."""

from __future__ import annotations

import re
import secrets
from typing import Any

from garret.local_cloud.core import ACCOUNT_ID, ApiError, Call, Cloud
from garret.local_cloud.params import Reply, has_tags, number, tags
from garret.local_cloud.ram.documents import read_trust
from garret.local_cloud.ram.pages import marked

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
SESSION_S = (3600, 43200)


def create_role(call: Call, cloud: Cloud) -> Reply:
    """Make a role."""
    params, name = call.params, call.params["RoleName"]
    if not _NAME.fullmatch(name):
        reason = "Length" if len(name) > 64 else "InvalidChars"
        raise ApiError(f"InvalidParameter.RoleName.{reason}", f"RoleName {name!r}: 1 to 64 letters, digits, . _ -")
    read_trust(params["AssumeRolePolicyDocument"])
    body = {
        "RoleId": "3" + "".join(secrets.choice("0123456789") for _ in range(17)),
        "RoleName": name,
        "Arn": f"acs:ram::{ACCOUNT_ID}:role/{name.lower()}",
        "Description": params.get("Description", ""),
        "AssumeRolePolicyDocument": params["AssumeRolePolicyDocument"],
        "MaxSessionDuration": number(params, "MaxSessionDuration", SESSION_S[0], *SESSION_S),
        "CreateDate": cloud.clock.stamp(),
        "UpdateDate": cloud.clock.stamp(),
        "Attached": [],
        "Tags": tags(params),
    }
    with cloud.store.transaction():
        if cloud.store.get("ram_role", name.lower()) is not None:
            raise ApiError("EntityAlreadyExists.Role", f"The role {name} exists already.", 409)
        cloud.store.put("ram_role", name.lower(), body)
    return {"Role": _view(body)}


def get_role(call: Call, cloud: Cloud) -> Reply:
    """One role."""
    return {"Role": _view(find_role(cloud, call.params["RoleName"]))}


def update_role(call: Call, cloud: Cloud) -> Reply:
    """Change who may take a role, its description, or for how long it is taken."""
    params = call.params
    changes: dict[str, object] = {"UpdateDate": cloud.clock.stamp()}
    if params.get("NewAssumeRolePolicyDocument"):
        read_trust(params["NewAssumeRolePolicyDocument"])
        changes["AssumeRolePolicyDocument"] = params["NewAssumeRolePolicyDocument"]
    if "NewDescription" in params:
        changes["Description"] = params["NewDescription"]
    if params.get("NewMaxSessionDuration"):
        changes["MaxSessionDuration"] = number(params, "NewMaxSessionDuration", SESSION_S[0], *SESSION_S)
    with cloud.store.transaction():
        body = find_role(cloud, params["RoleName"])
        cloud.store.update("ram_role", body["RoleName"].lower(), **changes)
    return {"Role": _view({**body, **changes})}


def delete_role(call: Call, cloud: Cloud) -> Reply:
    """Remove a role that has no policies attached."""
    with cloud.store.transaction():
        body = find_role(cloud, call.params["RoleName"])
        if body["Attached"]:
            text = f"The role {body['RoleName']} still has {len(body['Attached'])} policies: detach them first."
            raise ApiError("DeleteConflict.Role.Policy", text, 409)
        cloud.store.delete("ram_role", body["RoleName"].lower())
    return {}


def list_roles(call: Call, cloud: Cloud) -> Reply:
    """All roles, by tag if asked."""
    wanted = tags(call.params)
    found = [_view(body) for body in cloud.store.find("ram_role") if has_tags(body, wanted)]
    some, rest = marked(call, found)
    return {"Roles": {"Role": some}, **rest}


def find_role(cloud: Cloud, name: str) -> dict[str, Any]:
    """The role of this name, however it is capitalised; ApiError EntityNotExist.Role otherwise."""
    body = cloud.store.get("ram_role", name.lower())
    if body is None:
        raise ApiError("EntityNotExist.Role", f"The role {name} does not exist.", 404)
    return body


def check_instance_role(cloud: Cloud, name: str) -> None:
    """Refuse a role that an instance cannot take: not there, or not meant for ECS."""
    body = cloud.store.get("ram_role", name.lower())
    if body is None:
        raise ApiError("InvalidRamRole.NotFound", f"The role {name!r} does not exist.", 404)
    statements = read_trust(body["AssumeRolePolicyDocument"])["Statement"]
    services = [one["Principal"].get("Service", []) for one in statements if one["Effect"] == "Allow"]
    if not any("ecs.aliyuncs.com" in service for service in services):
        raise ApiError("InvalidRamRole.NotEcsRole", f"The role {name!r} does not let ecs.aliyuncs.com take it.", 401)


def _view(body: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in body.items() if name not in ("Attached", "Tags")}
    pairs = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in body["Tags"]]
    return {**shown, "Tags": {"Tag": pairs}}
