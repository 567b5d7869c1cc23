"""What a key may do: RAM policies, judged before anything else is looked at, as the vendor does.

A key of `/_garret/keys` has a policy; the local cloud's own key is the account itself and may do everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from garret.local_cloud import keys
from garret.local_cloud.core import ACCOUNT_ID, ApiError, Call, Cloud
from garret.local_cloud.params import names

PREFIXES = {
    "Ecs": "ecs", "Vpc": "vpc", "ROS": "ros", "Sts": "sts", "Ram": "ram", "Oos": "oos", "quotas": "quotas",
    "BssOpenApi": "bssapi",
}  # fmt: skip
FREE = ("sts:GetCallerIdentity",)  # needs no right
TAG = "acs:ResourceTag/"
_DENIED = {"Ecs": "Forbidden.RAM", "Vpc": "Forbidden.RAM", "BssOpenApi": "NotAuthorized"}
# Parameters that name what a call is about: the type in a resource's name, and the store's kind of it.
_NAMED = {
    "InstanceId": ("ecs", "instance", "instance"),
    "InstanceIds": ("ecs", "instance", "instance"),
    "DiskId": ("ecs", "disk", "disk"),
    "DiskIds": ("ecs", "disk", "disk"),
    "SnapshotId": ("ecs", "snapshot", "snapshot"),
    "SnapshotIds": ("ecs", "snapshot", "snapshot"),
    "SecurityGroupId": ("ecs", "securitygroup", "security_group"),
    "SecurityGroupIds": ("ecs", "securitygroup", "security_group"),
    "KeyPairName": ("ecs", "keypair", "key_pair"),
    "VpcId": ("vpc", "vpc", "vpc"),
    "VSwitchId": ("vpc", "vswitch", "vswitch"),
    "AllocationId": ("vpc", "eip", "eip"),
    "NatGatewayId": ("vpc", "natgateway", "nat_gateway"),
    "StackId": ("ros", "stack", "stack"),
    "RoleName": ("ram", "role", "ram_role"),
    "PolicyName": ("ram", "policy", "ram_policy"),
}


def ram_action(product: str, action: str) -> str:
    """How a policy names an action: "ecs:RunInstances"."""
    return f"{PREFIXES[product]}:{action}"


def check(call: Call, cloud: Cloud) -> None:
    """Refuse a call that the policy of its key does not allow, or denies.

    Errors: ApiError 403 Forbidden.RAM, NoPermission or NotAuthorized, by product, with an AccessDeniedDetail.
    """
    key = keys.find(cloud.store, call.access_key_id)
    action = ram_action(call.product, call.action)
    if key is None or action in FREE:
        return
    if key["deleted"]:
        raise ApiError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
    for arn, tags in _resources(call, cloud):
        why = judge(key["policies"], action, arn, tags)
        if why:
            raise _denied(call, key, action, arn, why)


def judge(policies: list[Mapping[str, Any]], action: str, arn: str, tags: Mapping[str, str]) -> str:
    """Why policies do not allow an action on a resource: ImplicitDeny, ExplicitDeny, or empty when they do."""
    found = [
        statement["Effect"]
        for document in policies
        for statement in document["Statement"]
        if _applies(statement, action, arn, tags)
    ]
    if "Deny" in found:
        return "ExplicitDeny"
    return "" if "Allow" in found else "ImplicitDeny"


def check_document(document: Mapping[str, Any]) -> None:
    """Refuse what a policy may hold and nothing here judges; ValueError names it."""
    for index, statement in enumerate(document["Statement"]):
        where = f"policy.Statement[{index}]"
        if "Principal" in statement:
            raise ValueError(f"{where}.Principal: a policy of a key has none")
        for operator, tests in statement.get("Condition", {}).items():
            if operator != "StringEquals" or not isinstance(tests, dict):
                raise ValueError(f"{where}.Condition.{operator}: the local cloud judges StringEquals only")
            for name in tests:
                if not name.startswith(TAG):
                    raise ValueError(f"{where}.Condition.StringEquals.{name}: the local cloud judges {TAG}<key> only")


def _applies(statement: Mapping[str, Any], action: str, arn: str, tags: Mapping[str, str]) -> bool:
    about_action = _any(statement.get("Action"), action) or (
        "NotAction" in statement and not _any(statement["NotAction"], action)
    )
    about_resource = _any_resource(statement.get("Resource"), arn) or (
        "NotResource" in statement and not _any_resource(statement["NotResource"], arn)
    )
    return about_action and about_resource and _holds(statement.get("Condition", {}), tags)


def _holds(condition: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    tests = condition.get("StringEquals", {})
    return all(tags.get(name.removeprefix(TAG)) in _list(wanted) for name, wanted in tests.items())


def _any(patterns: Any, action: str) -> bool:
    return any(_like(pattern.lower(), action.lower()) for pattern in _list(patterns))


def _any_resource(patterns: Any, arn: str) -> bool:
    return any(pattern == "*" or _like_arn(pattern, arn) for pattern in _list(patterns))


def _like_arn(pattern: str, arn: str) -> bool:
    ours, theirs = arn.split(":", 4), pattern.split(":", 4)
    if len(theirs) != 5:
        return False
    # A call that names nothing is about whatever there is of that product: only the rest of the name is judged.
    return all(mine == "*" or _like(one, mine) for one, mine in zip(theirs, ours, strict=True))


def _like(pattern: str, text: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _resources(call: Call, cloud: Cloud) -> list[tuple[str, dict[str, str]]]:
    region = call.region or "*"
    found = []
    for prefix, kind, store_kind, id in _ids(call):
        body = cloud.store.get(store_kind, id) or {}
        arn = f"acs:{prefix}:{region}:{ACCOUNT_ID}:{kind}/{id}"
        found.append((arn, {tag["Key"]: tag["Value"] for tag in body.get("Tags") or body.get("tags") or []}))
    return found or [(f"acs:{PREFIXES[call.product]}:{region}:{ACCOUNT_ID}:*", {})]


def _ids(call: Call) -> Iterator[tuple[str, str, str, str]]:
    for parameter, (prefix, kind, store_kind) in _NAMED.items():
        for id in _values(call.params, parameter):
            gateway = id.startswith("ngw-")  # an address may be bound to one by the name InstanceId
            yield ("vpc", "natgateway", "nat_gateway", id) if gateway else (prefix, kind, store_kind, id)
    kinds = {kind: (prefix, kind, store_kind) for prefix, kind, store_kind in _NAMED.values()}
    known = kinds.get(call.params.get("ResourceType", "").lower())
    if known:
        for id in _values(call.params, "ResourceId"):
            yield (*known, id)


def _values(params: Mapping[str, str], parameter: str) -> list[str]:
    try:
        return names(params, parameter)
    except ApiError:  # malformed: the action itself says so to whoever may call it
        return []


def _denied(call: Call, key: Mapping[str, Any], action: str, arn: str, why: str) -> ApiError:
    text = f"User not authorized to operate on the specified resource: {action} on {arn} ({why})."
    error = ApiError(_DENIED.get(call.product, "NoPermission"), text, 403)
    error.detail = {
        "PolicyType": "AccountLevelIdentityBasedPolicy",
        "NoPermissionType": why,
        "AuthAction": action,
        "AuthPrincipalType": "AssumedRoleUser" if key["token"] else "SubUser",
        "AuthPrincipalOwnerId": ACCOUNT_ID,
        "AuthPrincipalDisplayName": key["name"],
        "EncodedDiagnosticMessage": "",
    }
    return error
