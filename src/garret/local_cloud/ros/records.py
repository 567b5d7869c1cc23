"""What the stack service remembers: stacks, their resources and their events."""

import uuid
from typing import Any

from garret.local_cloud.clock import stamp
from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.waking import wake_of

STACK, RESOURCE, EVENT = "stack", "stack_resource", "stack_event"
GONE = "DELETE_COMPLETE"
THERE = ("CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_FAILED")  # Ref has an answer
Body = dict[str, Any]


def new_id() -> str:
    """A random id as stacks and events have it."""
    return str(uuid.uuid4())


def told(moment: str) -> str:
    """A time as ROS tells it: ISO, UTC, without the Z at the end."""
    return moment.removesuffix("Z")


def stack(cloud: Cloud, stack_id: str, region: str) -> Body:
    """The stack of this id in this region; raises StackNotFound."""
    found = cloud.store.get(STACK, stack_id)
    if found is None or found["region"] != region:
        raise errors.stack_not_found(stack_id)
    return found


def living(cloud: Cloud, region: str) -> list[Body]:
    """The region's stacks that are not deleted."""
    return [one for one in cloud.store.find(STACK, region) if one["status"] != GONE]


def resource(cloud: Cloud, stack_id: str, slot: str) -> Body | None:
    """One resource of a stack; its slot is its logical name, unless another took its place and it is still there."""
    return cloud.store.get(RESOURCE, f"{stack_id}/{slot}")


def resources(cloud: Cloud, stack_id: str) -> list[Body]:
    """A stack's resources in the template's order."""
    return cloud.store.find(RESOURCE, stack_id=stack_id)


def put_resource(cloud: Cloud, region: str, body: Body) -> None:
    """Writes a whole resource into its slot; the one that was there is forgotten."""
    cloud.store.put(RESOURCE, f"{body['stack_id']}/{body['slot']}", body, region)


def drop_resource(cloud: Cloud, stack_id: str, slot: str) -> None:
    """Forgets a resource."""
    cloud.store.delete(RESOURCE, f"{stack_id}/{slot}")


def change_stack(cloud: Cloud, stack_id: str, status: str, reason: str, **more: Any) -> None:
    """A stack's next status, with its event."""
    now = stamp(cloud.clock.now())
    with cloud.store.transaction():
        body = cloud.store.update(STACK, stack_id, status=status, status_reason=reason, update_time=now, **more)
        if body is not None:
            about = _about(body["name"], stack_id, "ALIYUN::ROS::Stack")
            _event(cloud, body, {**about, "Status": status, "StatusReason": reason})
    wake_of(cloud).everybody()


def change_resource(cloud: Cloud, stack_id: str, slot: str, status: str, reason: str, **more: Any) -> None:
    """A resource's next status, with its event."""
    now = stamp(cloud.clock.now())
    with cloud.store.transaction():
        changes = {"status": status, "status_reason": reason, "update_time": now, **more}
        body = cloud.store.update(RESOURCE, f"{stack_id}/{slot}", **changes)
        owner = cloud.store.get(STACK, stack_id)
        if body is not None and owner is not None:
            about = _about(body["name"], body["physical_id"], body["type"])
            _event(cloud, owner, {**about, "Status": status, "StatusReason": reason})
    wake_of(cloud).everybody()


def note_resource(cloud: Cloud, stack_id: str, slot: str, **changes: Any) -> None:
    """Writes fields of a resource without an event."""
    cloud.store.update(RESOURCE, f"{stack_id}/{slot}", **changes)


def _event(cloud: Cloud, owner: Body, about: Body) -> None:
    event_id = new_id()
    who = {"EventId": event_id, "StackId": owner["id"], "StackName": owner["name"]}
    body = {**who, **about, "CreateTime": told(stamp(cloud.clock.now()))}
    cloud.store.put(EVENT, event_id, body, owner["region"])


def _about(name: str, physical_id: str, kind: str) -> Body:
    return {"LogicalResourceId": name, "PhysicalResourceId": physical_id, "ResourceType": kind}


def events(cloud: Cloud, stack_id: str) -> list[Body]:
    """A stack's events, oldest first."""
    return cloud.store.find(EVENT, StackId=stack_id)
