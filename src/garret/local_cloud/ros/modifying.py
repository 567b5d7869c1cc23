"""Changing one resource in place, written down before and after, so that a crash or a failure can be mended."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import records
from garret.local_cloud.ros.facts import facts_of
from garret.local_cloud.ros.operation import Halt
from garret.local_cloud.ros.property_rules import check_properties
from garret.local_cloud.ros.resources import type_of
from garret.local_cloud.ros.resources.base import ResourceType, own_tags
from garret.local_cloud.ros.working import failed, pair, patiently, tags_of, work_of

Tags = list[dict[str, str]]


def takes_tags(kind: ResourceType) -> bool:
    """Whether a stack's tags are carried to resources of this type, also later."""
    return "Tags" in kind.updatable


def modify(cloud: Cloud, stack_id: str, slot: str, wanted: Mapping[str, Any], halt: Halt) -> None:
    """Brings a resource to the wanted properties; raises FailedError once it is marked as failed.

    What was tried stays written down until it is done: after a failure it is not known how far it came, so the next
    attempt starts from every state that may have been reached.
    """
    stack, resource = pair(cloud, stack_id, slot)
    halt.check()
    kind = type_of(resource["type"], f"Resources.{resource['name']}.Type")
    tags = tags_of(stack)
    aim = {"properties": dict(wanted), "tags": tags}
    earlier = [one for one in resource["tried"] if one != aim]
    if resource["status"] != "UPDATE_IN_PROGRESS" or aim not in resource["tried"]:
        tried = [*earlier, aim]
        records.change_resource(cloud, stack_id, slot, "UPDATE_IN_PROGRESS", "state changed", tried=tried)
    states = [{"properties": resource["properties"], "tags": resource["tags"]}, *earlier]
    try:
        check_properties(facts_of(kind.name, resource["name"]), resource["name"], wanted)
        work = dataclasses.replace(work_of(cloud, stack, resource, halt.pause), properties=dict(wanted))
        for state in states:
            before = _with_all_tags(kind, state["properties"], state["tags"])
            patiently(cloud, functools.partial(kind.update, work, before))
    except Exception as problem:  # noqa: BLE001 - whatever it is, the resource must say that it failed
        raise failed(cloud, stack_id, slot, "UPDATE", problem) from None
    records.change_resource(
        cloud,
        stack_id,
        slot,
        "UPDATE_COMPLETE",
        "state changed",
        properties=dict(wanted),
        tags=tags,
        tried=[],
        drift=None,
    )


def _with_all_tags(kind: ResourceType, properties: Mapping[str, Any], tags: Tags) -> dict[str, Any]:
    """The properties with the stack's tags among the resource's own, as `Work.tag_list` gives the new ones."""
    if not takes_tags(kind):
        return dict(properties)
    every = {**{tag["Key"]: tag["Value"] for tag in tags}, **own_tags(properties)}
    return {**properties, "Tags": [{"Key": key, "Value": value} for key, value in every.items()]}
