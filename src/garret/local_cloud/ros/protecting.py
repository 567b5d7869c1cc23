"""SetDeletionProtection, and the tags of stacks."""

from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud, invalid, missing
from garret.local_cloud.params import flag, groups, has_tags
from garret.local_cloud.ros import errors, records
from garret.local_cloud.ros.requests import pick, region_of

TAGS = 20


def set_deletion_protection(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Lets a stack be deleted or not; a nested stack follows its root."""
    stack = records.stack(cloud, call.params["StackId"], region_of(call))
    if stack["status"] == records.GONE:
        raise errors.stack_not_found(stack["id"])
    if stack["parent_id"]:
        raise errors.cannot_protect(stack["id"], "it is a nested stack and follows its root stack")
    protected = call.params["DeletionProtection"] == "Enabled"
    cloud.store.update(records.STACK, stack["id"], deletion_protection=protected)
    return {}


def _stacks(call: Call, cloud: Cloud) -> list[records.Body]:
    if call.params["ResourceType"] != "stack":
        raise errors.not_emulated(f"{call.action} of the ResourceType {call.params['ResourceType']}")
    return [records.stack(cloud, id, region_of(call)) for id in pick(call.params, "ResourceId")]


def _tags(call: Call) -> dict[str, str]:
    found = [(one.get("Key", ""), one.get("Value", "")) for one in groups(call.params, "Tag")]
    keys = [key for key, _ in found]
    if len(set(keys)) < len(keys):
        raise ApiError("Duplicate.TagKey", "The Tag.N.Key contain duplicate key.")
    for key, value in found:
        bad = not 1 <= len(key) <= 128 or key.lower().startswith(("aliyun", "acs:")) or len(value) > 128
        if bad or "http://" in key + value or "https://" in key + value:
            raise invalid("Tags", f"{key!r} or its value")
    return dict(found)


def tag_resources(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Adds tags to stacks; what the stacks have made gets them with the next update that says so."""
    new = _tags(call)
    if not new:
        raise missing("Tag.1.Key")
    for stack in _stacks(call, cloud):
        every = {**{tag["Key"]: tag["Value"] for tag in stack["tags"]}, **new}
        if len(every) > TAGS:
            raise invalid("Tags", f"{stack['name']} would have {len(every)} tags, at most {TAGS} are allowed")
        tags = [{"Key": key, "Value": value} for key, value in every.items()]
        cloud.store.update(records.STACK, stack["id"], tags=tags)
    return {}


def untag_resources(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Takes tags off stacks: those named, or with All every one."""
    keys, every = pick(call.params, "TagKey"), flag(call.params, "All")
    for stack in _stacks(call, cloud):
        kept = [tag for tag in stack["tags"] if (keys or not every) and tag["Key"] not in keys]
        cloud.store.update(records.STACK, stack["id"], tags=kept)
    return {}


def list_tag_resources(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Tags of stacks, by id or by tag; all in one page."""
    ids, tags = pick(call.params, "ResourceId"), [{"Value": "", **one} for one in groups(call.params, "Tag")]
    if not ids and not tags:
        raise ApiError("MissingParameter", "One of the input parameters ResourceIds,Tags should be specified.")
    found = _stacks(call, cloud) if ids else records.living(cloud, region_of(call))
    rows = [
        {"ResourceId": stack["id"], "ResourceType": "stack", "TagKey": tag["Key"], "TagValue": tag["Value"]}
        for stack in found
        if has_tags({"Tags": stack["tags"]}, tags)
        for tag in stack["tags"]
    ]
    return {"TagResources": rows}
