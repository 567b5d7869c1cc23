"""Roles, policies, OOS templates, texts by chance, pauses and stacks in stacks."""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from Tea.exceptions import TeaException

from garret.local_cloud.clock import ManualClock
from garret.local_cloud.faults import Fault
from garret.local_cloud.ros.resources.base import FailedError
from garret.local_cloud.ros.resources.random_string import draw
from tests.local_cloud.house import House, PaperDriver, until
from tests.local_cloud.oos.test_oos import STOP as OOS_TEXT
from tests.local_cloud.ros.changing import made, update
from tests.local_cloud.ros.resources.test_network_types import outputs, resource
from tests.local_cloud.ros.stage import TAG, Ros, left_over, template

TRUST = {
    "Version": "1",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": ["ecs.aliyuncs.com"]}}],
}


def allow(*actions: str) -> dict[str, Any]:
    """Return a policy that allows actions."""
    return {"Version": "1", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": ["*"]}]}


def role(**more: Any) -> dict[str, Any]:
    """Return a role."""
    return resource("ALIYUN::RAM::Role", RoleName="node", AssumeRolePolicyDocument=TRUST, **more)


def attached(house: House) -> list[str]:
    """Return the names of the role's policies."""
    return [one["PolicyName"] for one in house.ram("ListPoliciesForRole", RoleName="node")["Policies"]["Policy"]]


def test_a_role_and_its_policies(house: House, ros: Ros) -> None:
    """Made with policies of its own and others, changed to others, and gone with all that it made."""
    resources = {
        "Role": role(
            Policies=[{"PolicyName": "stop", "PolicyDocument": allow("ecs:StopInstance")}],
            PolicyAttachments={"System": ["AliyunECSReadOnlyAccess"]},
        ),
        "Policy": resource("ALIYUN::RAM::ManagedPolicy", PolicyName="look", PolicyDocument=allow("ecs:Describe*")),
        "On": resource(
            "ALIYUN::RAM::AttachPolicyToRole", PolicyName={"Ref": "Policy"}, PolicyType="Custom",
            RoleName={"Fn::GetAtt": ["Role", "RoleName"]},
        ),
    }  # fmt: skip
    told = outputs(Arn=("Role", "Arn"), Name=("Policy", "PolicyName"))
    house.cloud.faults.add(Fault("CreateRole", effect="lost", times=1))
    house.cloud.faults.add(Fault("CreatePolicy", effect="lost", times=1))
    stack_id = made(ros, template(resources, Outputs=told))
    assert (ros.outputs(stack_id)["Arn"][-10:], ros.outputs(stack_id)["Name"]) == (":role/node", "look")
    assert attached(house) == ["stop", "AliyunECSReadOnlyAccess", "look"]
    assert house.store.find("ram_role")[0]["Tags"] == [TAG]
    properties = resources["Role"]["Properties"]
    properties |= {"Policies": [{"PolicyName": "start", "PolicyDocument": allow("ecs:StartInstance")}]}
    properties |= {"Description": "new", "PolicyAttachments": {}}
    resources["Policy"]["Properties"]["PolicyDocument"] = allow("ecs:DescribeInstances")
    update(ros, stack_id, template(resources, Outputs=told))
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    assert attached(house) == ["look", "start"]
    assert [one["PolicyName"] for one in house.ram("ListPolicies")["Policies"]["Policy"]] == ["look", "start"]
    assert house.ram("GetPolicy", PolicyName="look", PolicyType="Custom")["Policy"]["DefaultVersion"] == "v2"
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    kinds = ("ram_role", "ram_policy", "ros_role_policy", "ros_intent")
    assert [house.store.find(kind) for kind in kinds] == [[], [], [], []]


def test_what_was_there_before_stays(house: House, ros: Ros) -> None:
    """A role of that name fails the stack and stays; with IgnoreExisting it is used, not changed, and stays too."""
    text = role(Description="mine")["Properties"]["AssumeRolePolicyDocument"]
    import json

    house.ram("CreateRole", RoleName="node", AssumeRolePolicyDocument=json.dumps(text))
    stack_id = ros.create(template({"Role": role()}))
    assert ros.settled(stack_id).status == "CREATE_ROLLBACK_COMPLETE"
    assert "EntityAlreadyExists.Role" in ros.see(stack_id).status_reason
    kept = made(ros, template({"Role": role(IgnoreExisting=True)}), name="kept")
    ros.ask("delete_stack", stack_id=kept)
    assert ros.settled(kept).status == "DELETE_COMPLETE"
    assert [one["RoleName"] for one in house.store.find("ram_role")] == ["node"]


def test_a_role_that_others_use_does_not_go(house: House, ros: Ros) -> None:
    """A policy that somebody attached keeps it, unless DeletionForce is said."""
    stack_id = made(ros, template({"Role": role()}))
    fields = {"RoleName": "node", "PolicyName": "AliyunOSSFullAccess", "PolicyType": "System"}
    house.ram("AttachPolicyToRole", **fields)
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_FAILED"
    assert "DeleteConflict.Role.Policy" in ros.see(stack_id).status_reason
    house.ram("DetachPolicyFromRole", **fields)
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    forced = made(ros, template({"Role": role(DeletionForce=True)}), name="forced")
    house.ram("AttachPolicyToRole", **fields)
    ros.ask("delete_stack", stack_id=forced)
    assert ros.settled(forced).status == "DELETE_COMPLETE"


def test_an_oos_template(house: House, ros: Ros) -> None:
    """It is kept with its tags, gets a version when its text or tags change, and goes."""
    resources = {"T": resource("ALIYUN::OOS::Template", TemplateName="stop", Content=OOS_TEXT, Tags={"own": "1"})}
    stack_id = made(ros, template(resources, Outputs=outputs(Id=("T", "TemplateId"))))
    kept = house.store.find("oos_template")[0]
    assert ros.outputs(stack_id)["Id"] == kept["TemplateId"]
    assert kept["Tags"] == {TAG["Key"]: TAG["Value"], "own": "1"}
    resources["T"]["Properties"] |= {"Content": OOS_TEXT.replace("one machine", "a machine"), "Tags": {"own": "2"}}
    update(ros, stack_id, template(resources, Outputs=outputs(Id=("T", "TemplateId"))))
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    now = house.oos("GetTemplate", TemplateName="stop")["Template"]
    assert (now["TemplateVersion"], now["Description"], now["Tags"]["own"]) == ("v2", "Stops a machine", "2")
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    assert house.store.find("oos_template") == []


def test_a_text_by_chance_stays(house: House, ros: Ros) -> None:
    """The attribute gives the same text every time; another length is another resource."""
    classes = [{"class": name, "min": 2} for name in ("lowercase", "uppercase", "digits")]
    one = resource("ALIYUN::RandomString", length=16, character_classes=classes)
    text = template({"Password": one}, Outputs=outputs(Value=("Password", "value")))
    stack_id = made(ros, text)
    value = ros.outputs(stack_id)["Value"]
    assert len(value) == 16
    assert ros.outputs(stack_id)["Value"] == value
    assert value not in str(ros.resources(stack_id)["Password"].to_map())
    one["Properties"]["length"] = 20
    changed = template({"Password": one}, Outputs=outputs(Value=("Password", "value")))
    with pytest.raises(TeaException, match=r"Password\.Properties\.length"):
        update(ros, stack_id, changed)
    update(ros, stack_id, changed, replacement_option="Enabled")
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    assert len(ros.outputs(stack_id)["Value"]) == 20
    assert len(house.store.find("ros_random_string")) == 1


@given(seed=st.integers(), length=st.integers(1, 60), lower=st.integers(1, 5), digits=st.integers(1, 5))
def test_texts_have_what_is_asked_for(seed: int, length: int, lower: int, digits: int) -> None:
    """So many of each class at least, nothing else, and the length; too short a length is refused."""
    classes = [{"class": "lowercase", "min": lower}, {"class": "digits", "min": digits}]
    properties = {"length": length, "character_classes": classes}
    if length < lower + digits:
        with pytest.raises(FailedError):
            draw(properties, random.Random(seed))
        return
    text = draw(properties, random.Random(seed))
    assert len(text) == length
    assert sum(letter in string.ascii_lowercase for letter in text) >= lower
    assert sum(letter in string.digits for letter in text) >= digits
    assert set(text) <= set(string.ascii_lowercase + string.digits)


def test_a_pause_takes_its_time(driver: PaperDriver) -> None:
    """The stack goes on when the clock says so; changed triggers pause again, and deletion has a pause of its own."""
    clock = ManualClock(datetime.now(UTC))  # of this hour: the SDK signs with the machine's own time
    with House(driver, clock) as house:
        ros = Ros(house)
        nap = resource("ALIYUN::ROS::Sleep", CreateDuration=300, UpdateDuration=200, DeleteDuration=100)

        def after(seconds: int, start: str) -> str:
            until(lambda: ("Nap", start) in ros.events(stack_id))
            assert ros.see(stack_id).status.endswith("_IN_PROGRESS")
            clock.advance(seconds)
            return str(ros.settled(stack_id).status)

        stack_id = ros.create(template({"Nap": nap}))
        assert after(301, "CREATE_IN_PROGRESS") == "CREATE_COMPLETE"
        nap["Properties"]["Triggers"] = {"a": "2"}
        update(ros, stack_id, template({"Nap": nap}))
        assert after(201, "UPDATE_IN_PROGRESS") == "UPDATE_COMPLETE"
        ros.ask("delete_stack", stack_id=stack_id)
        assert after(101, "DELETE_IN_PROGRESS") == "DELETE_COMPLETE"


def test_a_stack_in_a_stack(house: House, ros: Ros) -> None:
    """It gets its parameters and the tags, tells its outputs, is updated and deleted along; its failure is told."""
    inner = {
        "ROSTemplateFormatVersion": "2015-09-01",
        "Parameters": {"Block": {"Type": "String"}, "Name": {"Type": "String", "Default": "inner"}},
        "Resources": {
            "Net": resource("ALIYUN::ECS::VPC", CidrBlock={"Ref": "Block"}, VpcName={"Ref": "Name"}),
        },
        "Outputs": {"Id": {"Value": {"Ref": "Net"}}},
    }
    child = resource("ALIYUN::ROS::Stack", TemplateBody=inner, Parameters={"Block": "10.0.0.0/8"}, TimeoutMins=20)
    text = template({"Child": child}, Outputs=outputs(Vpc=("Child", "Outputs.Id")))
    stack_id = made(ros, text)
    vpc = house.store.find("vpc")[0]
    assert ros.outputs(stack_id)["Vpc"] == vpc["VpcId"]
    assert (vpc["VpcName"], vpc["CidrBlock"], vpc["Tags"]) == ("inner", "10.0.0.0/8", [TAG])
    child["Properties"]["Parameters"]["Name"] = "renamed"
    update(ros, stack_id, template({"Child": child}, Outputs=outputs(Vpc=("Child", "Outputs.Id"))))
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    assert house.store.find("vpc")[0]["VpcName"] == "renamed"
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    assert left_over(house) == {}
    house.cloud.faults.add(Fault("CreateVpc", code="QuotaExceeded.Vpc", status=400))
    failed = ros.create(text, name="bad")
    assert ros.settled(failed).status == "CREATE_ROLLBACK_COMPLETE"
    assert "QuotaExceeded.Vpc" in ros.see(failed).status_reason
    assert left_over(house) == {}
    with pytest.raises(TeaException, match="TemplateURL"):
        ros.create(template({"Child": resource("ALIYUN::ROS::Stack", TemplateURL="oss://x/y")}), name="url")
