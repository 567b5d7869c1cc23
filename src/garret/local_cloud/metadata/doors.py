"""The two doors to an instance's metadata, and who may read what: IMDSv2 tokens, and endpoints that are shut."""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from garret.local_cloud.core import Cloud
from garret.local_cloud.hubs import HUBS
from garret.local_cloud.metadata.credentials import credentials, end_keys, role_of
from garret.local_cloud.metadata.tree import Tree, identity_document, meta_data

PATH = "/_node"
TOKEN_HEADER = "x-aliyun-ecs-metadata-token"  # noqa: S105 - the name of a header
TTL_HEADER = "x-aliyun-ecs-metadata-token-ttl-seconds"
LONGEST_TTL_S = 21_600
VERSIONS = ("2016-01-01", "latest")
_KEYS = "ram/security-credentials/"
_IDENTITY = "dynamic/instance-identity/document"

Content = str | bytes
Answer = tuple[int, Content]
NOT_FOUND: Answer = (404, "not found")


@dataclass(frozen=True)
class Asked:
    """One request; `path` is what comes after the host and its slash, header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


def environment(cloud: Cloud, instance_id: str) -> dict[str, str]:
    """What a node is told of the doors of the cloud that it is on; the same for each boot."""
    body = cloud.store.get("metadata", instance_id)
    if body is None:
        body = {"InstanceId": instance_id, "Secret": secrets.token_urlsafe(24), "Tokens": {}, "Key": ""}
        cloud.store.put("metadata", instance_id, body)
    base = cloud.driver.door_url(cloud.base_url)
    return {
        "GARRET_METADATA_URL": f"{base}{PATH}/{instance_id}/{body['Secret']}/latest",
        "GARRET_ENDPOINT_ECS": base,
        **{name: os.environ[name] for name in HUBS if os.environ.get(name)},
    }


def forget(cloud: Cloud, instance_id: str) -> None:
    """Close the door of an instance that is released."""
    door = cloud.store.get("metadata", instance_id)
    if door is not None:
        end_keys(cloud, door)
        cloud.store.delete("metadata", instance_id)


def handle(cloud: Cloud, method: str, path: str, headers: Mapping[str, str]) -> Answer:
    """Answer one request for `path`, which begins with the instance and its secret; header names in lower case."""
    instance_id, _, rest = path.partition("/")
    secret, _, rest = rest.partition("/")
    door, instance = cloud.store.get("metadata", instance_id), cloud.store.get("instance", instance_id)
    if door is None or instance is None or not hmac.compare_digest(secret.encode(), door["Secret"].encode()):
        return NOT_FOUND
    return _answer(cloud, instance, door, Asked(method, rest, headers))


def answer(  # noqa: PLR0917 - nodes.driver.Metadata with the cloud before it
    cloud: Cloud, vpc_id: str, private_ip: str, method: str, path: str, headers: Mapping[str, str]
) -> Answer:
    """Answer one request that came to 100.100.100.200 from an address of a VPC; header names in lower case."""
    found = cloud.store.find("instance", VpcId=vpc_id, PrivateIp=private_ip)
    door = cloud.store.get("metadata", found[0]["InstanceId"]) if found else None
    if door is None:
        return NOT_FOUND
    asked = Asked(method, path.partition("?")[0].removeprefix("/"), headers)
    return _answer(cloud, found[0], door, asked)


def _answer(cloud: Cloud, instance: Mapping[str, Any], door: Mapping[str, Any], asked: Asked) -> Answer:
    if instance.get("HttpEndpoint") == "disabled":
        return 403, "metadata is disabled on this instance"
    version, _, rest = asked.path.partition("/")
    now = cloud.clock.now().timestamp()
    if (version, rest) == ("latest", "api/token"):
        return _token(cloud, door, asked, now)
    if asked.method != "GET":
        return 405, "method not allowed"
    given = asked.headers.get(TOKEN_HEADER, "")
    if (given or instance.get("HttpTokens") == "required") and door["Tokens"].get(given, 0.0) < now:
        return 403, "the metadata token is missing, wrong or too old"
    if not version:
        return 200, "\n".join(VERSIONS)
    return _value(cloud, instance, rest) if version in VERSIONS else NOT_FOUND


def _token(cloud: Cloud, door: Mapping[str, Any], asked: Asked, now: float) -> Answer:
    ttl = asked.headers.get(TTL_HEADER, "")
    if asked.method != "PUT":
        return 405, "method not allowed"
    if not (ttl.isascii() and ttl.isdigit() and 1 <= int(ttl) <= LONGEST_TTL_S):
        return 400, f"{TTL_HEADER} must be 1 to {LONGEST_TTL_S}"
    token = secrets.token_urlsafe(24)
    with cloud.store.transaction():
        known = cloud.store.get("metadata", door["InstanceId"]) or {"Tokens": {}}
        living = {one: until for one, until in known["Tokens"].items() if until >= now}
        cloud.store.update("metadata", door["InstanceId"], Tokens={**living, token: now + int(ttl)})
    return 200, token


def _value(cloud: Cloud, instance: Mapping[str, Any], path: str) -> Answer:
    head, _, rest = path.partition("/")
    user_data = base64.b64decode(instance["UserData"])
    if not head:
        return 200, "\n".join(["dynamic/", "meta-data/", *(["user-data"] if user_data else [])])
    if path == "user-data":
        return (200, user_data) if user_data else NOT_FOUND
    if head == "dynamic":
        return _dynamic(cloud, instance, path)
    return _meta_data(cloud, instance, rest) if head == "meta-data" else NOT_FOUND


def _dynamic(cloud: Cloud, instance: Mapping[str, Any], path: str) -> Answer:
    listings = {"dynamic": "instance-identity/", "dynamic/instance-identity": "document"}
    if path == _IDENTITY:
        return 200, identity_document(cloud, instance)
    listing = listings.get(path.rstrip("/"))
    return (200, listing) if listing else NOT_FOUND


def _meta_data(cloud: Cloud, instance: Mapping[str, Any], path: str) -> Answer:
    if path.startswith(_KEYS) and path != _KEYS:
        found = credentials(cloud, instance, path.removeprefix(_KEYS))
        return (200, found) if found else NOT_FOUND
    tree = meta_data(cloud, instance)
    if path == "all":
        return 200, json.dumps(tree)
    role = role_of(cloud, instance)
    node: str | Tree = {**tree, "ram": {"security-credentials": {role: ""}}} if role else tree
    for name in filter(None, path.split("/")):
        if isinstance(node, str) or name not in node:
            return NOT_FOUND
        node = node[name]
    if isinstance(node, str):
        return 200, node
    return 200, "\n".join(f"{name}/" if isinstance(value, dict) else name for name, value in node.items())
