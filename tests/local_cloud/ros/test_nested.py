"""Stacks in stacks: listed apart, updated and taken back with their parent, at most five deep."""

from __future__ import annotations

import json
from typing import Any

import pytest
from Tea.exceptions import TeaException

from garret.local_cloud.faults import Fault
from tests.local_cloud.house import House, code_of
from tests.local_cloud.ros.changing import made, update
from tests.local_cloud.ros.stage import Ros, left_over, network, template


def inner() -> dict[str, Any]:
    """Return the template of a network as a nested stack has it."""
    net = {"Type": "ALIYUN::ECS::VPC", "Properties": {"CidrBlock": "10.0.0.0/8", "VpcName": {"Ref": "Name"}}}
    outputs = {"Id": {"Value": {"Ref": "Net"}}}
    head: dict[str, Any] = {"ROSTemplateFormatVersion": "2015-09-01", "Parameters": {"Name": {"Type": "String"}}}
    return {**head, "Resources": {"Net": net}, "Outputs": outputs}


def outer(body: dict[str, Any], **more: Any) -> str:
    """Return a template with one nested stack."""
    child = {
        "Type": "ALIYUN::ROS::Stack",
        "Properties": {"TemplateBody": body, "Parameters": {"Name": {"Ref": "Name"}}},
    }
    outputs = {"Id": {"Value": {"Fn::GetAtt": ["Child", "Outputs.Id"]}}}
    return template({"Child": child, **more}, Outputs=outputs)


def child_of(ros: Ros, stack_id: str) -> str:
    """Return the id of the nested stack."""
    return str(ros.resources(stack_id)["Child"].physical_resource_id)


def test_seen_as_a_child(house: House, ros: Ros) -> None:
    """The child has a parent and a root, is listed only when asked for, and follows its root's protection."""
    stack_id = made(ros, outer(inner()))
    child = child_of(ros, stack_id)
    assert ros.outputs(stack_id)["Id"] == ros.resources(child)["Net"].physical_resource_id
    seen = ros.see(child)
    assert (seen.parent_stack_id, seen.root_stack_id, ros.see(stack_id).root_stack_id) == (stack_id, stack_id, stack_id)
    listed = lambda **fields: {one.stack_id for one in ros.ask("list_stacks", **fields).stacks}  # noqa: E731
    assert listed() == {stack_id}
    assert listed(show_nested_stack=True) == {stack_id, child}
    assert listed(show_nested_stack=True, parent_stack_id=stack_id) == {child}
    with pytest.raises(TeaException, match="ShowNestedStack"):
        listed(parent_stack_id=stack_id)
    with pytest.raises(TeaException) as caught:
        ros.ask("set_deletion_protection", stack_id=child, deletion_protection="Enabled")
    assert code_of(caught.value) == "InvalidOperation.SetDeletionProtection"
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    assert left_over(house) == {}
    assert listed(show_nested_stack=True) == set()


def test_updated_and_taken_back_with_its_parent(house: House, ros: Ros) -> None:
    """A parameter goes through to the child; when the parent fails afterwards, the child is as it was."""
    stack_id = made(ros, outer(inner()))
    child = child_of(ros, stack_id)
    names = lambda: [one["VpcName"] for one in house.store.find("vpc")]  # noqa: E731
    update(ros, stack_id, outer(inner()), parameters={"Name": "other"})
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    assert (names(), child_of(ros, stack_id)) == (["other"], child)
    house.cloud.faults.add(Fault("CreateVSwitch", code="QuotaExceeded.VSwitch", status=400))
    more = network()
    more["Switch"]["DependsOn"] = "Child"
    update(ros, stack_id, outer(inner(), **more), parameters={"Name": "third"})
    assert ros.settled(stack_id).status == "ROLLBACK_COMPLETE"
    assert (names(), ros.see(child).status) == (["other"], "UPDATE_COMPLETE")


def test_a_child_that_fails(house: House, ros: Ros) -> None:
    """A child that cannot be made fails its parent with its reason, and nothing stays."""
    house.cloud.faults.add(Fault("CreateVpc", code="QuotaExceeded.Vpc", status=400))
    stack_id = ros.create(outer(inner()))
    stack = ros.settled(stack_id)
    assert stack.status == "CREATE_ROLLBACK_COMPLETE"
    assert "QuotaExceeded.Vpc" in stack.status_reason
    assert left_over(house) == {}


def deep(levels: int) -> str:
    """Return a template with so many levels, itself the first."""
    body = inner()
    for _ in range(levels - 2):
        text = json.loads(outer(body))
        body = {**text, "Parameters": {**text["Parameters"], "Name": {"Type": "String", "Default": "demo"}}}
    return outer(body)


def test_five_deep(house: House, ros: Ros) -> None:
    """A stack and four below it are made and go again; a sixth level is refused before anything is made."""
    with pytest.raises(TeaException, match="5 deep"):
        ros.create(deep(6))
    stack_id = ros.create(deep(5))
    stack = ros.settled(stack_id, 30)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert len(ros.ask("list_stacks", show_nested_stack=True).stacks) == 5
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id, 30).status == "DELETE_COMPLETE"
    assert left_over(house) == {}
