"""Policies with their versions, and which roles they are attached to."""

from __future__ import annotations

import json
import re
from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud, invalid
from garret.local_cloud.params import Reply, flag, has_tags, tags
from garret.local_cloud.ram.documents import read_policy
from garret.local_cloud.ram.pages import marked
from garret.local_cloud.ram.roles import find_role

VERSIONS = 5  # of one policy
ATTACHED = {"Custom": 5, "System": 20}  # to one role
_NAME = re.compile(r"[A-Za-z0-9-]{1,128}")
_SYSTEM = re.compile(r"AdministratorAccess|ReadOnlyAccess|PowerUserAccess|Aliyun[A-Za-z0-9]+(Access|Policy)")


def create_policy(call: Call, cloud: Cloud) -> Reply:
    """Make a policy of the account's own, version v1."""
    params, name = call.params, call.params["PolicyName"]
    if not _NAME.fullmatch(name):
        reason = "Length" if len(name) > 128 else "InvalidChars"
        raise ApiError(f"InvalidParameter.PolicyName.{reason}", f"PolicyName {name!r}: 1 to 128 letters, digits, -")
    read_policy(params["PolicyDocument"])
    now = cloud.clock.stamp()
    version = {"VersionId": "v1", "PolicyDocument": params["PolicyDocument"], "CreateDate": now}
    body = {
        "PolicyName": name,
        "PolicyType": "Custom",
        "Description": params.get("Description", ""),
        "DefaultVersion": "v1",
        "CreateDate": now,
        "UpdateDate": now,
        "Versions": [version],
        "Last": 1,
        "Tags": tags(params),
    }
    with cloud.store.transaction():
        if cloud.store.get("ram_policy", name.lower()) is not None or _SYSTEM.fullmatch(name):
            raise ApiError("EntityAlreadyExists.Policy", f"The policy {name} exists already.", 409)
        cloud.store.put("ram_policy", name.lower(), body)
    return {"Policy": _view(cloud, body)}


def get_policy(call: Call, cloud: Cloud) -> Reply:
    """One policy with the version that counts."""
    body = _find(cloud, call.params["PolicyName"], call.params["PolicyType"])
    return {"Policy": _view(cloud, body), "DefaultPolicyVersion": _version(body, body["DefaultVersion"])}


def get_policy_version(call: Call, cloud: Cloud) -> Reply:
    """One version of a policy."""
    body = _find(cloud, call.params["PolicyName"], call.params["PolicyType"])
    return {"PolicyVersion": _version(body, call.params["VersionId"])}


def list_policy_versions(call: Call, cloud: Cloud) -> Reply:
    """All versions of a policy."""
    body = _find(cloud, call.params["PolicyName"], call.params["PolicyType"])
    return {"PolicyVersions": {"PolicyVersion": [_version(body, one["VersionId"]) for one in body["Versions"]]}}


def create_policy_version(call: Call, cloud: Cloud) -> Reply:
    """Add a version, by SetAsDefault the one that counts; the oldest other goes by RotateStrategy."""
    params = call.params
    read_policy(params["PolicyDocument"])
    with cloud.store.transaction():
        body = _find(cloud, params["PolicyName"], "Custom")
        versions = list(body["Versions"])
        if len(versions) >= VERSIONS:
            if params.get("RotateStrategy") != "DeleteOldestNonDefaultVersionWhenLimitExceeded":
                text = f"The policy {body['PolicyName']} has {VERSIONS} versions: delete one first."
                raise ApiError("LimitExceeded.Policy.Version", text, 409)
            versions.remove(next(one for one in versions if one["VersionId"] != body["DefaultVersion"]))
        last = body["Last"] + 1
        now = cloud.clock.stamp()
        fresh = {"VersionId": f"v{last}", "PolicyDocument": params["PolicyDocument"], "CreateDate": now}
        changes: dict[str, object] = {"Versions": [*versions, fresh], "Last": last, "UpdateDate": now}
        if flag(params, "SetAsDefault"):
            changes["DefaultVersion"] = fresh["VersionId"]
        cloud.store.update("ram_policy", body["PolicyName"].lower(), **changes)
    return {"PolicyVersion": _version({**body, **changes}, str(fresh["VersionId"]))}


def delete_policy_version(call: Call, cloud: Cloud) -> Reply:
    """Remove a version that does not count."""
    with cloud.store.transaction():
        body = _find(cloud, call.params["PolicyName"], "Custom")
        wanted = _version(body, call.params["VersionId"])
        if wanted["IsDefaultVersion"]:
            raise ApiError("DeleteConflict.PolicyVersion.Default", "The default version cannot be deleted.", 409)
        kept = [one for one in body["Versions"] if one["VersionId"] != wanted["VersionId"]]
        cloud.store.update("ram_policy", body["PolicyName"].lower(), Versions=kept)
    return {}


def delete_policy(call: Call, cloud: Cloud) -> Reply:
    """Remove a policy of one version that is attached to nothing; by CascadingDelete its other versions go, too."""
    with cloud.store.transaction():
        body = _find(cloud, call.params["PolicyName"], "Custom")
        name = body["PolicyName"]
        if holders := _holders(cloud, name, "Custom"):
            text = f"The policy {name} is attached to the role {holders[0]['RoleName']}."
            raise ApiError("DeleteConflict.Policy.Role", text, 409)
        if len(body["Versions"]) > 1 and not flag(call.params, "CascadingDelete"):
            raise ApiError("DeleteConflict.Policy.Version", f"The policy {name} has more than one version.", 409)
        cloud.store.delete("ram_policy", name.lower())
    return {}


def list_policies(call: Call, cloud: Cloud) -> Reply:
    """The account's own policies; of the vendor's there is no list here."""
    wanted = tags(call.params)
    bodies = [] if call.params.get("PolicyType") == "System" else cloud.store.find("ram_policy")
    some, rest = marked(call, [_view(cloud, body) for body in bodies if has_tags(body, wanted)])
    return {"Policies": {"Policy": some}, **rest}


def attach_policy_to_role(call: Call, cloud: Cloud) -> Reply:
    """Give a role what a policy allows."""
    kind = call.params["PolicyType"]
    with cloud.store.transaction():
        role = find_role(cloud, call.params["RoleName"])
        name = _find(cloud, call.params["PolicyName"], kind)["PolicyName"]
        if any((one["PolicyName"], one["PolicyType"]) == (name, kind) for one in role["Attached"]):
            text = f"The policy {name} is attached to the role {role['RoleName']} already."
            raise ApiError("EntityAlreadyExists.Role.Policy", text, 409)
        if sum(1 for one in role["Attached"] if one["PolicyType"] == kind) >= ATTACHED[kind]:
            text = f"The role {role['RoleName']} has {ATTACHED[kind]} {kind} policies already."
            raise ApiError("LimitExceeded.Role.Policy", text, 409)
        fresh = {"PolicyName": name, "PolicyType": kind, "AttachDate": cloud.clock.stamp()}
        cloud.store.update("ram_role", role["RoleName"].lower(), Attached=[*role["Attached"], fresh])
    return {}


def detach_policy_from_role(call: Call, cloud: Cloud) -> Reply:
    """Take a policy from a role."""
    name, kind = call.params["PolicyName"].lower(), call.params["PolicyType"]
    with cloud.store.transaction():
        role = find_role(cloud, call.params["RoleName"])
        kept = [one for one in role["Attached"] if (one["PolicyName"].lower(), one["PolicyType"]) != (name, kind)]
        if len(kept) == len(role["Attached"]):
            text = f"The policy {call.params['PolicyName']} is not attached to the role {role['RoleName']}."
            raise ApiError("EntityNotExist.Role.Policy", text, 404)
        cloud.store.update("ram_role", role["RoleName"].lower(), Attached=kept)
    return {}


def list_policies_for_role(call: Call, cloud: Cloud) -> Reply:
    """The policies of one role."""
    role = find_role(cloud, call.params["RoleName"])
    shown = []
    for one in role["Attached"]:
        body = _find(cloud, one["PolicyName"], one["PolicyType"])
        shown.append({**one, "Description": body["Description"], "DefaultVersion": body["DefaultVersion"]})
    return {"Policies": {"Policy": shown}}


def documents_of(cloud: Cloud, role_name: str) -> list[dict[str, Any]]:
    """The policy documents of a role, as they are in force; ApiError when there is no such role."""
    attached = find_role(cloud, role_name)["Attached"]
    bodies = [_find(cloud, one["PolicyName"], one["PolicyType"]) for one in attached]
    found = [_version(body, body["DefaultVersion"])["PolicyDocument"] for body in bodies]
    return [json.loads(text) for text in found]


def _find(cloud: Cloud, name: str, kind: str) -> dict[str, Any]:
    if kind not in ATTACHED:
        raise invalid("PolicyType", f"{kind!r} is neither System nor Custom")
    body = cloud.store.get("ram_policy", name.lower()) if kind == "Custom" else None
    if kind == "System" and _SYSTEM.fullmatch(name):
        text = '{"Version":"1","Statement":[]}'  # what the vendor's policies allow is not known here
        version = {"VersionId": "v1", "PolicyDocument": text, "CreateDate": ""}
        fixed = {"PolicyName": name, "PolicyType": "System", "Description": "", "DefaultVersion": "v1"}
        return {**fixed, "CreateDate": "", "UpdateDate": "", "Versions": [version], "Tags": []}
    if body is None:
        raise ApiError("EntityNotExist.Policy", f"The {kind} policy {name} does not exist.", 404)
    return body


def _holders(cloud: Cloud, name: str, kind: str) -> list[dict[str, Any]]:
    return [
        role
        for role in cloud.store.find("ram_role")
        if any((one["PolicyName"], one["PolicyType"]) == (name, kind) for one in role["Attached"])
    ]


def _version(body: dict[str, Any], id: str) -> dict[str, Any]:
    found = [one for one in body["Versions"] if one["VersionId"] == id]
    if not found:
        raise ApiError("EntityNotExist.Policy.Version", f"{body['PolicyName']} has no version {id}.", 404)
    return {**found[0], "IsDefaultVersion": id == body["DefaultVersion"]}


def _view(cloud: Cloud, body: dict[str, Any]) -> dict[str, Any]:
    keys = ("PolicyName", "PolicyType", "Description", "DefaultVersion", "CreateDate", "UpdateDate")
    count = len(_holders(cloud, body["PolicyName"], body["PolicyType"]))
    return {**{name: body[name] for name in keys}, "AttachmentCount": count}
