"""Roles and policies: made, attached, changed, refused and removed with the vendor's codes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.local_cloud.house import REGION, House, code_of
from tests.local_cloud.machines import launch, running

TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": ["ecs.aliyuncs.com"]}}
STOP = {"Effect": "Allow", "Action": ["ecs:StopInstance"], "Resource": "*"}


def document(*statements: dict[str, Any]) -> str:
    """Return the text of a policy."""
    return json.dumps({"Version": "1", "Statement": list(statements)})


def refused(house: House, action: str, **params: str) -> str:
    """Return the code of a call that must be refused."""
    with pytest.raises(Exception, match=r"\w") as error:
        house.ram(action, **params)
    return code_of(error.value)


def test_a_role_with_its_policies(house: House) -> None:
    """A role holds policies, does not go while it does, and both are told as they are."""
    made = house.ram("CreateRole", RoleName="node", AssumeRolePolicyDocument=document(TRUST))["Role"]
    assert made["Arn"].endswith(":role/node")
    again = {"RoleName": "Node", "AssumeRolePolicyDocument": document(TRUST)}
    assert refused(house, "CreateRole", **again) == "EntityAlreadyExists.Role"
    house.ram("CreatePolicy", PolicyName="stop", PolicyDocument=document(STOP))
    own = {"RoleName": "node", "PolicyName": "stop", "PolicyType": "Custom"}
    system = {"RoleName": "node", "PolicyName": "AliyunECSReadOnlyAccess", "PolicyType": "System"}
    for policy in (own, system):
        house.ram("AttachPolicyToRole", **policy)
        assert refused(house, "AttachPolicyToRole", **policy) == "EntityAlreadyExists.Role.Policy"
    listed = house.ram("ListPoliciesForRole", RoleName="node")["Policies"]["Policy"]
    assert [one["PolicyName"] for one in listed] == ["stop", "AliyunECSReadOnlyAccess"]
    assert house.ram("GetPolicy", PolicyName="stop", PolicyType="Custom")["Policy"]["AttachmentCount"] == 1
    assert refused(house, "DeleteRole", RoleName="node") == "DeleteConflict.Role.Policy"
    assert refused(house, "DeletePolicy", PolicyName="stop") == "DeleteConflict.Policy.Role"
    for policy in (own, system):
        house.ram("DetachPolicyFromRole", **policy)
        assert refused(house, "DetachPolicyFromRole", **policy) == "EntityNotExist.Role.Policy"
    house.ram("UpdateRole", RoleName="node", NewDescription="new", NewMaxSessionDuration="7200")
    role = house.ram("GetRole", RoleName="node")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("new", 7200)
    house.ram("DeletePolicy", PolicyName="stop")
    house.ram("DeleteRole", RoleName="node")
    assert refused(house, "GetRole", RoleName="node") == "EntityNotExist.Role"
    assert house.ram("ListRoles")["Roles"]["Role"] == house.ram("ListPolicies")["Policies"]["Policy"] == []


def test_versions_of_a_policy(house: House) -> None:
    """A version counts when it is made the default; five are kept, and all go by CascadingDelete."""
    house.ram("CreatePolicy", PolicyName="stop", PolicyDocument=document(STOP))
    named = {"PolicyName": "stop", "PolicyType": "Custom"}
    start = document({**STOP, "Action": "ecs:StartInstance"})
    made = house.ram("CreatePolicyVersion", PolicyName="stop", PolicyDocument=start, SetAsDefault="true")
    assert made["PolicyVersion"]["VersionId"] == "v2"
    assert house.ram("GetPolicy", **named)["DefaultPolicyVersion"]["PolicyDocument"] == start
    assert house.ram("GetPolicyVersion", **named, VersionId="v1")["PolicyVersion"]["IsDefaultVersion"] is False
    for _ in range(3):
        house.ram("CreatePolicyVersion", PolicyName="stop", PolicyDocument=start)
    more = {"PolicyName": "stop", "PolicyDocument": start}
    assert refused(house, "CreatePolicyVersion", **more) == "LimitExceeded.Policy.Version"
    house.ram("CreatePolicyVersion", **more, RotateStrategy="DeleteOldestNonDefaultVersionWhenLimitExceeded")
    kept = house.ram("ListPolicyVersions", **named)["PolicyVersions"]["PolicyVersion"]
    assert [one["VersionId"] for one in kept] == ["v2", "v3", "v4", "v5", "v6"]
    assert refused(house, "DeletePolicyVersion", PolicyName="stop", VersionId="v2").endswith("Default")
    assert refused(house, "DeletePolicy", PolicyName="stop") == "DeleteConflict.Policy.Version"
    house.ram("DeletePolicy", PolicyName="stop", CascadingDelete="true")


BROKEN = [
    "no json",
    "[]",
    '{"Version": "2", "Statement": []}',
    document(),
    document({**STOP, "Effect": "Maybe"}),
    document({**STOP, "NotAction": "x:y"}),
    document({"Effect": "Allow", "Action": "ecs:*"}),
    document({**STOP, "Action": "everything"}),
    document({**STOP, "Action": []}),
    document({**STOP, "Extra": 1}),
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_malformed_document_is_refused(house: House, text: str) -> None:
    """Whatever is wrong with it, nothing is made."""
    assert refused(house, "CreatePolicy", PolicyName="bad", PolicyDocument=text) == "MalformedPolicyDocument"
    assert refused(house, "CreateRole", RoleName="bad", AssumeRolePolicyDocument=text) == "MalformedPolicyDocument"
    assert house.ram("ListRoles")["Roles"]["Role"] == []


def test_names_and_what_is_not_there(house: House) -> None:
    """Names of another form and policies that do not exist are refused by their codes."""
    trust = document(TRUST)
    assert refused(house, "CreateRole", RoleName="a b", AssumeRolePolicyDocument=trust).endswith("InvalidChars")
    assert refused(house, "CreateRole", RoleName="a" * 65, AssumeRolePolicyDocument=trust).endswith("Length")
    house.ram("CreateRole", RoleName="node", AssumeRolePolicyDocument=trust)
    for kind, name in (("Custom", "mine"), ("System", "NotOfTheVendor")):
        fields = {"RoleName": "node", "PolicyName": name, "PolicyType": kind}
        assert refused(house, "AttachPolicyToRole", **fields) == "EntityNotExist.Policy"


def test_an_instance_takes_a_role_that_is_meant_for_it(house: House) -> None:
    """The role must exist and trust ECS; the instance keeps its name."""
    other = {**TRUST, "Principal": {"Service": ["fc.aliyuncs.com"]}}
    house.ram("CreateRole", RoleName="node", AssumeRolePolicyDocument=document(TRUST))
    house.ram("CreateRole", RoleName="function", AssumeRolePolicyDocument=document(other))
    instance = running(house, RamRoleName="node")
    assert house.store.get("instance", instance)["RamRoleName"] == "node"  # type: ignore[index]
    for name, code in (("nobody", "InvalidRamRole.NotFound"), ("function", "InvalidRamRole.NotEcsRole")):
        with pytest.raises(Exception, match=code):
            launch(house, RamRoleName=name)
    other = running(house)
    both = f'["{instance}", "{other}", "i-none"]'
    house.ram("CreateRole", RoleName="second", AssumeRolePolicyDocument=document(TRUST))
    fields = {"RegionId": REGION, "InstanceIds": both, "RamRoleName": "second"}
    assert house.call("AttachInstanceRamRole", **fields)["FailCount"] == 2
    seen = house.call("DescribeInstanceRamRole", RegionId=REGION, InstanceIds=both)
    rows = seen["InstanceRamRoleSets"]["InstanceRamRoleSet"]
    assert {row["InstanceId"]: row["RamRoleName"] for row in rows} == {instance: "node", other: "second"}
    house.call("DetachInstanceRamRole", RegionId=REGION, InstanceIds=f'["{other}"]', RamRoleName="second")
    assert house.call("DescribeInstanceRamRole", RegionId=REGION, RamRoleName="second")["TotalCount"] == 0
