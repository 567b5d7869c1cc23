"""Instance metadata for nodes that have no network of their own: what 100.100.100.200 would say, at a secret address.

A node on the process driver is told an address of the local cloud that holds a secret of its own; below it answer the
paths that the vendor documents (IMDSv2: a token first where the instance asks for one). What is not here is a 404.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from garret.local_cloud import keys
from garret.local_cloud.clock import stamp
from garret.local_cloud.core import ApiError, Cloud
from garret.local_cloud.ram.policies import documents_of

PATH = "/_node"
TOKEN_HEADER = "x-aliyun-ecs-metadata-token"  # noqa: S105 - the name of a header
TTL_HEADER = "x-aliyun-ecs-metadata-token-ttl-seconds"
LONGEST_TTL_S = 21_600
KEYS_GOOD_FOR = timedelta(hours=6)  # what is said; a key ends when the next one is made, or with its instance
CREDENTIALS = "ram/security-credentials/"

Answer = tuple[int, str]


def environment(cloud: Cloud, instance_id: str) -> dict[str, str]:
    """What a node is told of the doors of the cloud that it is on; the same for each boot."""
    body = cloud.store.get("metadata", instance_id)
    if body is None:
        body = {"InstanceId": instance_id, "Secret": secrets.token_urlsafe(24), "Tokens": {}, "Key": ""}
        cloud.store.put("metadata", instance_id, body)
    url = f"{cloud.base_url}{PATH}/{instance_id}/{body['Secret']}/latest"
    return {"GARRET_METADATA_URL": url, "GARRET_ENDPOINT_ECS": cloud.base_url}


def forget(cloud: Cloud, instance_id: str) -> None:
    """Close the door of an instance that is released."""
    door = cloud.store.get("metadata", instance_id)
    if door is not None:
        if door.get("Key"):
            keys.delete(cloud.store, door["Key"])
        cloud.store.delete("metadata", instance_id)


def handle(cloud: Cloud, method: str, path: str, headers: Mapping[str, str]) -> Answer:
    """Answer one request for `path`, which begins with the instance and its secret; header names in lower case."""
    instance_id, _, rest = path.partition("/")
    secret, _, rest = rest.partition("/latest/")
    door, instance = cloud.store.get("metadata", instance_id), cloud.store.get("instance", instance_id)
    if door is None or instance is None or not hmac.compare_digest(secret.encode(), door["Secret"].encode()):
        return 404, "not found"
    if instance.get("HttpEndpoint") == "disabled":
        return 403, "metadata is disabled on this instance"
    now = cloud.clock.now().timestamp()
    if rest == "api/token":
        return _token(cloud, door, method, headers.get(TTL_HEADER, ""), now)
    if method != "GET":
        return 405, "method not allowed"
    given = headers.get(TOKEN_HEADER, "")
    if (given or instance.get("HttpTokens") == "required") and door["Tokens"].get(given, 0.0) < now:
        return 403, "the metadata token is missing, wrong or too old"
    return _value(cloud, instance, rest)


def _token(cloud: Cloud, door: dict[str, Any], method: str, ttl: str, now: float) -> Answer:
    if method != "PUT":
        return 405, "method not allowed"
    if not ttl.isdigit() or not 1 <= int(ttl) <= LONGEST_TTL_S:
        return 400, f"{TTL_HEADER} must be 1 to {LONGEST_TTL_S}"
    token = secrets.token_urlsafe(24)
    living = {one: until for one, until in door["Tokens"].items() if until >= now}
    cloud.store.update("metadata", door["InstanceId"], Tokens={**living, token: now + int(ttl)})
    return 200, token


def _value(cloud: Cloud, instance: Mapping[str, Any], path: str) -> Answer:
    if path.startswith(f"meta-data/{CREDENTIALS}"):
        return _credentials(cloud, instance, path.removeprefix(f"meta-data/{CREDENTIALS}"))
    known = {
        "instance-id": instance["InstanceId"],
        "region-id": instance["RegionId"],
        "zone-id": instance["ZoneId"],
        "hostname": instance["HostName"],
        "image-id": instance["ImageId"],
        "private-ipv4": instance["PrivateIp"],
        "eipv4": instance["EipAddress"],
        "vpc-id": instance["VpcId"],
        "vswitch-id": instance["VSwitchId"],
        "instance/instance-type": instance["InstanceType"],
    }
    value = known.get(path.removeprefix("meta-data/")) if path.startswith("meta-data/") else None
    return (200, str(value)) if value else (404, "not found")


def _credentials(cloud: Cloud, instance: Mapping[str, Any], role: str) -> Answer:
    own = str(instance.get("RamRoleName") or "")
    if not own or role not in ("", own):
        return 404, "not found"
    if not role:
        return 200, own
    try:
        documents = documents_of(cloud, own)
    except ApiError:  # the role is gone; its instance is not
        return 404, "not found"
    door = cloud.store.get("metadata", str(instance["InstanceId"])) or {}
    if door.get("Key"):
        keys.delete(cloud.store, door["Key"])
    made = keys.make(cloud.store, documents, f"{own} on {instance['InstanceId']}", token=True)
    cloud.store.update("metadata", str(instance["InstanceId"]), Key=made["id"])
    now = cloud.clock.now()
    return 200, json.dumps(
        {
            "Code": "Success",
            "AccessKeyId": made["id"],
            "AccessKeySecret": made["secret"],
            "SecurityToken": made["token"],
            "LastUpdated": stamp(now),
            "Expiration": stamp(now + KEYS_GOOD_FOR),
        }
    )
