"""Signals from nodes to stacks: the signed address of a handle, what it accepts, and what came in.

The address holds for twelve hours, the longest time a WaitCondition may wait. On the vendor's cloud it leads to
100.100.100.110, here to the local cloud's own server.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from garret.local_cloud.clock import parse_stamp, stamp
from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import records
from garret.local_cloud.ros.waking import wake_of

SIGNAL, SECRET = "stack_signal", "stack_secret"
STATUSES = ("SUCCESS", "FAILURE", "WARNING")
VALID_FOR = timedelta(seconds=43_200)
BODY_BYTES = 65_536


def handle_id(stack_id: str, name: str) -> str:
    """What Ref of a handle gives."""
    return f"{stack_id}/{name}"


def attributes(cloud: Cloud, stack_id: str, stack_name: str, name: str, region: str) -> dict[str, Any]:
    """URL, Headers, and the curl commands for three shells; the node adds `--data-binary '{"status": …}'`."""
    resource = records.resource(cloud, stack_id, name) or {}
    begun = parse_stamp(resource["started"]) if resource.get("started") else cloud.clock.now()
    query = {"stackname": stack_name, "stackid": stack_id, "resource": name, "expire": stamp(begun + VALID_FOR)}
    door = cloud.driver.door_url(cloud.base_url)
    url = f"{door}/waitcondition?{urlencode({**query, 'signature': _sign(cloud, query)})}"
    headers = {"Content-Type": "application/json", "Accept": "application/json", "x-acs-region-id": region}
    return {
        "URL": url,
        "Headers": headers,
        "CurlCli": f"curl -i -X POST {_options(headers, chr(39))} {url.replace('&', chr(92) + '&')}",
        "WindowsCurlCli": f'curl -i -X POST {_options(headers, chr(34))} "{url}"',
        "PowerShellCurlCli": f'curl.exe -i -X POST {_options(headers, chr(34))} "{url}"',
    }


def _options(headers: Mapping[str, str], quote: str) -> str:
    return " ".join(f"-H {quote}{key}: {value}{quote}" for key, value in headers.items())


def _sign(cloud: Cloud, query: Mapping[str, str]) -> str:
    text = "\n".join(f"{key}={query.get(key, '')}" for key in ("stackname", "stackid", "resource", "expire"))
    return hmac.new(_secret(cloud), text.encode(), hashlib.sha256).hexdigest()


def _secret(cloud: Cloud) -> bytes:
    with cloud.store.transaction():
        known = cloud.store.get(SECRET, "waitcondition")
        if known is None:
            known = {"id": "waitcondition", "secret": secrets.token_hex(32)}
            cloud.store.put(SECRET, "waitcondition", known)
    return bytes.fromhex(known["secret"])


def handle(cloud: Cloud, query: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
    """Takes one signal from the wire; returns the HTTP status and the answer."""
    if not hmac.compare_digest(query.get("signature", "").encode(), _sign(cloud, query).encode()):
        return _refused(403, "SignatureDoesNotMatch", "The address of the handle was changed or is another cloud's.")
    if cloud.clock.now() > parse_stamp(query["expire"]):
        return _refused(403, "SignatureExpired", f"The address of the handle expired at {query['expire']}.")
    stack_id, name = query["stackid"], query["resource"]
    resource = records.resource(cloud, stack_id, name)
    if resource is None or resource["status"] == "DELETE_COMPLETE":
        return _refused(404, "ResourceNotFound", f"The handle {name} is gone; its stack is {stack_id}.")
    try:
        message = json.loads(body) if len(body) <= BODY_BYTES else None
    except ValueError:
        message = None
    if not isinstance(message, dict) or message.get("status") not in STATUSES:
        form = '{"status": "SUCCESS|FAILURE|WARNING", "reason": "", "id": "", "data": ""}'
        return _refused(400, "InvalidParameter", f"The body must be JSON of at most {BODY_BYTES} bytes: {form}.")
    heard = _heard(cloud, stack_id, message)
    if heard is not None:
        add(cloud, stack_id, name, heard)
    return 200, {"RequestId": records.new_id().upper()}


def _heard(cloud: Cloud, stack_id: str, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The signal as the stack hears it: the fault board may drop it, or let the node fail."""
    stack = cloud.store.get(records.STACK, stack_id) or {}
    deployment = next((tag["Value"] for tag in stack.get("tags", []) if tag["Key"] == "garret:deployment"), None)
    silent = cloud.faults.named("node_never_signals", deployment=deployment)
    if silent is not None:
        cloud.faults.use(silent)
        return None
    failing = cloud.faults.named("node_fails", deployment=deployment)
    if failing is None:
        return message
    cloud.faults.use(failing)
    return {**message, "status": "FAILURE", "reason": failing["reason"]}


def _refused(status: int, code: str, message: str) -> tuple[int, dict[str, Any]]:
    return status, {"Code": code, "Message": message, "RequestId": records.new_id().upper()}


def add(cloud: Cloud, stack_id: str, name: str, message: Mapping[str, Any]) -> None:
    """Remembers a signal and wakes the stack; the same id again replaces the earlier one, so a resend is harmless."""
    with cloud.store.transaction():
        unique = str(message.get("id") or len(signals(cloud, stack_id, name)) + 1)
        body = {
            "handle": handle_id(stack_id, name),
            "id": unique,
            "status": message["status"],
            "reason": str(message.get("reason") or ""),
            "data": message.get("data", ""),
        }
        cloud.store.put(SIGNAL, f"{stack_id}/{name}/{unique}", body)
    wake_of(cloud).everybody()


def signals(cloud: Cloud, stack_id: str, name: str) -> list[dict[str, Any]]:
    """The signals of one handle, in the order of their first coming."""
    return cloud.store.find(SIGNAL, handle=handle_id(stack_id, name))


def forget(cloud: Cloud, stack_id: str, name: str, above: int = 0) -> None:
    """Drops the signals of one handle; with `above` only those that came without an id, as a number above it."""
    for one in signals(cloud, stack_id, name):
        if above and not (one["id"].isdecimal() and int(one["id"]) > above):
            continue
        cloud.store.delete(SIGNAL, f"{stack_id}/{name}/{one['id']}")


def data(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The attributes of a WaitCondition that had these signals."""
    good = {one["id"]: one["data"] for one in found if one["status"] == "SUCCESS"}
    bad = {one["id"]: one["data"] or one["reason"] for one in found if one["status"] != "SUCCESS"}
    texts = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in bad.values()]
    return {
        "Data": json.dumps(good, ensure_ascii=False),
        "ErrorData": json.dumps(bad, ensure_ascii=False),
        "JoinedErrorData": "\n".join(texts),
    }
