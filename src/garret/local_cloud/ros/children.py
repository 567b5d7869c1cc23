"""Stacks in stacks: an in-process way to make, change and delete a stack whose parent is another stack.

The resource type ALIYUN::ROS::Stack stands on these; a child's id is its physical id.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from garret.local_cloud.core import ACCOUNT_ID, ApiError, Call, Cloud, new_request_id
from garret.local_cloud.ros import creating, deleting, errors, records, updating
from garret.local_cloud.ros.resources.base import FailedError, Work
from garret.local_cloud.ros.stack_plan import outputs_of

LEVELS = 5  # a stack, and at most four below it


@dataclass(frozen=True)
class Child:
    """What a nested stack is made of."""

    template: str
    parameters: Mapping[str, str]
    timeout_minutes: int = 60


def _line(cloud: Cloud, stack: records.Body) -> list[records.Body]:
    """The stack and those above it, the root last."""
    line = [stack]
    while line[-1]["parent_id"]:
        above = cloud.store.get(records.STACK, line[-1]["parent_id"])
        if above is None:
            break
        line.append(above)
    return line


def root_of(cloud: Cloud, stack: records.Body) -> str:
    """The id of the stack that nobody nests."""
    return str(_line(cloud, stack)[-1]["id"])


def create_child(work: Work, child: Child) -> str:
    """Makes the nested stack, or finds it again after a crash, and waits until it is complete; returns its id."""
    cloud = work.cloud
    parent = cloud.store.get(records.STACK, work.stack_id)
    if parent is None or len(_line(cloud, parent)) >= LEVELS:
        raise FailedError("StackValidationFailed", f"stacks nest at most {LEVELS} deep")
    suffix = hashlib.sha256(work.token.encode()).hexdigest()[:12]
    wanted = creating.Wanted(
        name=f"{work.stack_name}-{work.name.replace('[', '-').replace(']', '')}-{suffix}"[:255],
        template=child.template,
        parameters=child.parameters,
        tags=[{"Key": key, "Value": value} for key, value in work.tags],
        timeout_minutes=child.timeout_minutes,
        disable_rollback=True,  # the parent's own rollback takes it away
        parent_id=work.stack_id,
    )
    call = Call("ROS", "CreateStack", work.region, {"RegionId": work.region}, new_request_id(), ACCOUNT_ID)
    stack_id = creating.create(cloud, call, wanted, f"nested-{work.token}", "nested")
    work.made(stack_id)
    _wait(work, stack_id, "CREATE_COMPLETE")
    return stack_id


def update_child(work: Work, child: Child, replacing: bool = False) -> None:
    """Updates the nested stack and waits; one that is that way already is left alone."""
    cloud, stack_id = work.cloud, work.physical_id
    stack = records.stack(cloud, stack_id, work.region)
    if not stack["status"].endswith("_IN_PROGRESS"):
        tags = [{"Key": key, "Value": value} for key, value in work.tags]
        wanted = updating.Update(
            child.template, child.parameters, tags=tags, timeout_minutes=child.timeout_minutes, replacing=replacing
        )
        params = {"RegionId": work.region, "StackId": stack_id}
        call = Call("ROS", "UpdateStack", work.region, params, new_request_id(), ACCOUNT_ID)
        try:
            updating.update(cloud, call, wanted, "", "")
        except ApiError as problem:
            if problem.code != "NotSupported" or "nothing would change" not in problem.message:
                raise
            return
    _wait(work, stack_id, "UPDATE_COMPLETE")


def delete_child(work: Work) -> None:
    """Deletes the nested stack with all it made, and waits; one that is gone is no failure."""
    stack = work.cloud.store.get(records.STACK, work.physical_id)
    if stack is None or stack["status"] == records.GONE:
        return
    if stack["status"] != "DELETE_IN_PROGRESS":
        deleting.delete(work.cloud, stack["id"], stack["region"], [], retain_all=False)
    _wait(work, work.physical_id, records.GONE)


def _wait(work: Work, stack_id: str, good: str) -> None:
    while True:
        stack = records.stack(work.cloud, stack_id, work.region)
        if stack["status"] == good:
            return
        if not stack["status"].endswith("_IN_PROGRESS"):
            raise FailedError("ResourceInError", f"the nested stack is {stack['status']}: {stack['status_reason']}")
        work.pause(0.5)


def child_outputs(work: Work) -> dict[str, object]:
    """The nested stack's outputs by key, which Fn::GetAtt [Child, Outputs.Key] asks for."""
    stack = work.cloud.store.get(records.STACK, work.physical_id)
    if stack is None:
        raise errors.stack_not_found(work.physical_id)
    return {one["OutputKey"]: one["OutputValue"] for one in outputs_of(work.cloud, stack)}
