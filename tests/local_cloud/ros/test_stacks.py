"""Stacks through the vendor's typed client: made, seen, made once, refused, rolled back, deleted."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from Tea.exceptions import TeaException

from garret.local_cloud.faults import Fault
from tests.local_cloud.house import REGION, House, code_of, until
from tests.local_cloud.ros.stage import Ros, left_over, network, template, waiting

OUTPUTS = {
    "VpcId": {"Value": {"Ref": "Vpc"}, "Description": "The network"},
    "Where": {"Value": {"Fn::Sub": "${Switch.CidrBlock} of ${Vpc.VpcName} in ${ALIYUN::Region}"}},
}


def test_network_stack_lives_and_goes(house: House, ros: Ros) -> None:
    """A VPC and a switch are made in order, tagged, seen with outputs, and deleted in the other order."""
    stack_id = ros.create(template(network(), Outputs=OUTPUTS), parameters={"Name": "my-net"})
    stack = ros.settled(stack_id)
    assert (stack.status, stack.stack_name, stack.status_reason) == (
        "CREATE_COMPLETE", "demo", "Stack CREATE completed successfully",
    )  # fmt: skip
    outputs = ros.outputs(stack_id)
    assert outputs["Where"] == f"192.168.1.0/24 of my-net in {REGION}"
    vpc = house.vpc("DescribeVpcs", VpcId=outputs["VpcId"])["Vpcs"]["Vpc"][0]
    assert vpc["VpcName"] == "my-net"
    assert {"Key": "garret:deployment", "Value": "demo"} in vpc["Tags"]["Tag"]
    assert {one.parameter_key: one.parameter_value for one in stack.parameters}["Name"] == "my-net"
    assert ros.resources(stack_id)["Vpc"].physical_resource_id == outputs["VpcId"]
    assert ros.events(stack_id) == [
        ("demo", "CREATE_IN_PROGRESS"),
        ("Vpc", "CREATE_IN_PROGRESS"),
        ("Vpc", "CREATE_COMPLETE"),
        ("Switch", "CREATE_IN_PROGRESS"),
        ("Switch", "CREATE_COMPLETE"),
        ("demo", "CREATE_COMPLETE"),
    ]
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    deleted = [name for name, status in ros.events(stack_id) if status == "DELETE_COMPLETE"]
    assert deleted == ["Switch", "Vpc", "demo"]
    assert left_over(house) == {}


def test_deleted_stack_is_out_of_sight(ros: Ros) -> None:
    """A deleted stack frees its name, is listed only when asked for, and cannot be deleted again."""
    stack_id = ros.create(template(network()))
    ros.settled(stack_id)
    ros.ask("delete_stack", stack_id=stack_id)
    ros.settled(stack_id)
    assert ros.ask("list_stacks").total_count == 0
    assert ros.ask("list_stacks", status=["DELETE_COMPLETE"]).stacks[0].stack_id == stack_id
    with pytest.raises(TeaException) as caught:
        ros.ask("delete_stack", stack_id=stack_id)
    assert code_of(caught.value) == "StackNotFound"
    again = ros.create(template(network()))
    assert again != stack_id
    assert ros.settled(again).status == "CREATE_COMPLETE"


def test_same_token_makes_one_stack(house: House, ros: Ros) -> None:
    """The same ClientToken with the same request gives the same stack, also when ten come at once."""
    ids: list[str] = []
    text = template(network())
    threads = [threading.Thread(target=lambda: ids.append(ros.create(text, client_token="t-1"))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ids) == 10
    assert len(set(ids)) == 1
    assert ros.settled(ids[0]).status == "CREATE_COMPLETE"
    assert ros.create(text, client_token="t-1") == ids[0]
    assert left_over(house) == {"vpc": 1, "vswitch": 1}


def test_same_token_with_another_request(ros: Ros) -> None:
    """The same ClientToken with other parameters is refused with the vendor's code."""
    ros.create(template(network()), client_token="t-1")
    with pytest.raises(TeaException) as caught:
        ros.create(template(network()), client_token="t-1", parameters={"Name": "other"})
    assert code_of(caught.value) == "InvalidIdempotenceParameter"


def test_name_is_taken(ros: Ros) -> None:
    """A second stack of the same name is refused, in a preview too."""
    ros.create(template(network()))
    for action in ("create_stack", "preview_stack"):
        with pytest.raises(TeaException) as caught:
            ros.ask(action, stack_name="demo", template_body=template(network()))
        assert code_of(caught.value) == "StackExists"


def test_ten_creations_at_once_without_token(house: House, ros: Ros) -> None:
    """Of ten creations of one name at once, one makes a stack and nine hear StackExists."""
    results: list[str] = []

    def one() -> None:
        try:
            results.append(ros.create(template(network())))
        except TeaException as error:
            results.append(code_of(error))

    threads = [threading.Thread(target=one) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results.count("StackExists") == 9
    assert len(house.store.find("stack")) == 1


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    (network(X={"Type": "ALIYUN::FC::Function"}), {}, "StackValidationFailed", "ALIYUN::FC::Function"),
    (network(X={"Type": "ALIYUN::ECS::VPC", "Properties": {"Colour": 1}}), {}, "StackValidationFailed", "Colour"),
    (network(X={"Type": "ALIYUN::ECS::VSwitch"}), {}, "StackValidationFailed", "required"),
    (network(X={"Type": "ALIYUN::ECS::VPC", "DependsOn": "X"}), {}, "CircularDependency", "X -> X"),
    (network(), {"parameters": {"Moon": "1"}}, "UnknownUserParameter", "Moon"),
    (network(), {"timeout_in_minutes": 5}, "InvalidParameter", "TimeoutInMinutes"),
    (network(), {"stack_policy_body": "{}"}, "StackValidationFailed", "StackPolicyBody"),
    (network(), {"name": "1st"}, "InvalidParameter", "StackName"),
    (network(), {"client_token": "a b"}, "InvalidParameter", "ClientToken"),
    (network(), {"region_id": "moon-1"}, "InvalidRegionId.NotFound", "moon-1"),
]


def test_refused(house: House, ros: Ros) -> None:
    """What cannot become a stack is refused at once, by name, and leaves nothing behind."""
    for resources, fields, code, part in REFUSED:
        with pytest.raises(TeaException) as caught:
            ros.create(template(resources), **fields)
        assert code_of(caught.value) == code
        assert part in str(caught.value)
    assert house.store.find("stack") == []


def test_missing_parameter(ros: Ros) -> None:
    """A parameter without default and value is named."""
    with pytest.raises(TeaException) as caught:
        ros.create(template(network(), Parameters={"Must": {"Type": "String"}}))
    assert code_of(caught.value) == "UserParameterMissing"


def test_failure_rolls_back_and_keeps_the_reason(house: House, ros: Ros) -> None:
    """When the cloud refuses a resource, what was made goes away again and the code can be read in three places."""
    house.cloud.faults.add(Fault("CreateVSwitch", code="QuotaExceeded.VSwitch", status=400, message="one too many"))
    stack_id = ros.create(template(network()))
    stack = ros.settled(stack_id)
    assert stack.status == "CREATE_ROLLBACK_COMPLETE"
    assert "QuotaExceeded.VSwitch" in stack.status_reason
    assert stack.operation_info.code == "QuotaExceeded.VSwitch"
    assert stack.operation_info.logical_resource_id == "Switch"
    failed = ros.ask("list_stack_events", stack_id=stack_id, status=["CREATE_FAILED"]).events
    assert [one.logical_resource_id for one in failed] == ["Switch"]
    assert "QuotaExceeded.VSwitch" in failed[0].status_reason
    assert left_over(house) == {}


def test_without_rollback_what_was_made_stays(house: House, ros: Ros) -> None:
    """DisableRollback leaves the stack as it failed, and DeleteStack clears it away."""
    house.cloud.faults.add(Fault("CreateVSwitch", code="QuotaExceeded.VSwitch", status=400))
    stack_id = ros.create(template(network()), disable_rollback=True)
    assert ros.settled(stack_id).status == "CREATE_FAILED"
    assert left_over(house) == {"vpc": 1}
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    assert left_over(house) == {}


def test_lost_reply_inside_makes_nothing_twice(house: House, ros: Ros) -> None:
    """A call of the stack whose answer is lost is sent again with the same token."""
    house.cloud.faults.add(Fault("CreateVpc", effect="lost", times=2))
    stack_id = ros.create(template(network()))
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"
    assert left_over(house) == {"vpc": 1, "vswitch": 1}


def test_lost_reply_of_create_stack(house: House, ros: Ros) -> None:
    """A client that never heard the answer asks again with its token and gets the one stack."""
    house.cloud.faults.add(Fault("CreateStack", effect="lost"))
    with pytest.raises(TeaException):
        ros.create(template(network()), client_token="t-1")
    stack_id = ros.create(template(network()), client_token="t-1")
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"
    assert [one["id"] for one in house.store.find("stack")] == [stack_id]


def test_delete_that_is_refused(house: House, ros: Ros) -> None:
    """A resource that cannot go makes DELETE_FAILED with its reason; a second DeleteStack finishes."""
    stack_id = ros.create(template(network()))
    ros.settled(stack_id)
    house.cloud.faults.add(Fault("DeleteVSwitch", code="OperationDenied.Locked", status=403))
    ros.ask("delete_stack", stack_id=stack_id)
    stack = ros.settled(stack_id)
    assert stack.status == "DELETE_FAILED"
    assert "OperationDenied.Locked" in stack.status_reason
    assert left_over(house) == {"vpc": 1, "vswitch": 1}
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    assert left_over(house) == {}


def test_retained_resources_stay(house: House, ros: Ros) -> None:
    """RetainResources and DeletionPolicy Retain leave the things where they are."""
    resources = network()
    resources["Vpc"]["DeletionPolicy"] = "Retain"
    stack_id = ros.create(template(resources))
    ros.settled(stack_id)
    ros.ask("delete_stack", stack_id=stack_id, retain_resources=["Switch"])
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    assert left_over(house) == {"vpc": 1, "vswitch": 1}


def test_gone_resources_are_no_obstacle(house: House, ros: Ros) -> None:
    """What somebody deleted by hand does not keep the stack from going."""
    stack_id = ros.create(template(network()))
    ros.settled(stack_id)
    house.vpc("DeleteVSwitch", VSwitchId=ros.resources(stack_id)["Switch"].physical_resource_id)
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"


def test_delete_calls_off_a_creation(house: House, ros: Ros) -> None:
    """DeleteStack while the stack still waits ends the waiting and takes everything away."""
    stack_id = ros.create(template(network(**waiting(timeout=600))))
    until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id))
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    assert left_over(house) == {}
    statuses = [status for name, status in ros.events(stack_id) if name == "demo"]
    assert statuses == ["CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"]


def test_second_delete_meanwhile(house: House, ros: Ros) -> None:
    """DeleteStack while one is under way says so."""
    stack_id = ros.create(template(network()))
    ros.settled(stack_id)
    house.cloud.faults.add(Fault("DeleteVSwitch", effect="slow", seconds=1.0))
    ros.ask("delete_stack", stack_id=stack_id)
    with pytest.raises(TeaException) as caught:
        ros.ask("delete_stack", stack_id=stack_id)
    assert code_of(caught.value) == "ActionInProgress"
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"


def test_deletion_protection(ros: Ros) -> None:
    """A protected stack is not deleted."""
    stack_id = ros.create(template(network()), deletion_protection="Enabled")
    ros.settled(stack_id)
    with pytest.raises(TeaException, match="deletion protection"):
        ros.ask("delete_stack", stack_id=stack_id)


def test_conditions_choose_resources(house: House, ros: Ros) -> None:
    """A resource whose condition is false is not made, and its output is not told."""
    resources = network()
    resources["Switch"]["Condition"] = "Wanted"
    wanted = {"Fn::Equals": [{"Ref": "Name"}, "with-switch"]}
    outputs = {"S": {"Value": {"Ref": "Switch"}, "Condition": "Wanted"}, "V": {"Value": {"Ref": "Vpc"}}}
    text = template(resources, Conditions={"Wanted": wanted}, Outputs=outputs)
    first = ros.create(text, name="one")
    second = ros.create(text, name="two", parameters={"Name": "with-switch"})
    assert ros.settled(first).status == ros.settled(second).status == "CREATE_COMPLETE"
    assert (set(ros.outputs(first)), set(ros.outputs(second))) == ({"V"}, {"V", "S"})
    assert left_over(house) == {"vpc": 2, "vswitch": 1}


def test_list_stacks_by_name_tag_status_and_page(ros: Ros) -> None:
    """ListStacks filters and pages as the client asks."""
    for name in ("a", "b", "c"):
        ros.settled(ros.create(template(network()), name=name))
    from alibabacloud_ros20190910 import models

    tag = models.ListStacksRequestTag(key="garret:deployment", value="demo")
    other = models.ListStacksRequestTag(key="garret:deployment", value="other")
    assert [one.stack_name for one in ros.ask("list_stacks").stacks] == ["c", "b", "a"]
    assert [one.stack_name for one in ros.ask("list_stacks", stack_name=["a", "c"]).stacks] == ["c", "a"]
    assert ros.ask("list_stacks", tag=[tag]).total_count == 3
    assert ros.ask("list_stacks", tag=[other]).total_count == 0
    assert ros.ask("list_stacks", status=["CREATE_COMPLETE"]).total_count == 3
    page = ros.ask("list_stacks", page_size=2, page_number=2)
    assert ([one.stack_name for one in page.stacks], page.total_count) == (["a"], 3)
    assert ros.ask("list_stacks", region_id="cn-beijing").total_count == 0


def test_template_resource_and_masked_parameter(ros: Ros) -> None:
    """GetTemplate gives the text back, GetStackResource the attributes, and NoEcho shows asterisks only."""
    text = template(network(), Parameters={"Word": {"Type": "String", "NoEcho": True}})
    stack_id = ros.create(text, parameters={"Word": "sesame"})
    stack = ros.settled(stack_id)
    assert {one.parameter_key: one.parameter_value for one in stack.parameters}["Word"] == "******"
    assert json.loads(ros.ask("get_template", stack_id=stack_id).template_body) == json.loads(text)
    found = ros.ask(
        "get_stack_resource", stack_id=stack_id, logical_resource_id="Switch", show_resource_attributes=True
    )
    attributes = {one["ResourceAttributeName"]: one["ResourceAttributeValue"] for one in found.resource_attributes}
    assert attributes["CidrBlock"] == "192.168.1.0/24"
    with pytest.raises(TeaException) as caught:
        ros.ask("get_stack_resource", stack_id=stack_id, logical_resource_id="Moon")
    assert code_of(caught.value) == "ResourceNotFound"


def test_unknown_stack_and_action(house: House, ros: Ros) -> None:
    """A stack of another region or of nobody is not found; an action that is not emulated says so."""
    stack_id = ros.create(template(network()))
    for fields in ({"stack_id": stack_id, "region_id": "cn-beijing"}, {"stack_id": "nobody"}):
        with pytest.raises(TeaException) as caught:
            ros.ask("get_stack", **fields)
        assert code_of(caught.value) == "StackNotFound"
    with pytest.raises(TeaException, match="does not emulate ROS ListStackGroups"):
        ros.ask("list_stack_groups")


def test_progress(ros: Ros) -> None:
    """ResourceProgress counts the resources and the share that is done."""
    stack_id = ros.create(template(network()))
    ros.settled(stack_id)
    counts = ros.ask("get_stack", stack_id=stack_id, show_resource_progress="EnabledIfCreateStack").resource_progress
    assert (counts.total_resource_count, counts.success_resource_count) == (2, 2)
    share = ros.ask("get_stack", stack_id=stack_id, show_resource_progress="PercentageOnly").resource_progress
    assert share.stack_action_progress == 100
