"""Keys with policies: exactly what they allow, by the vendor's words, also for what a stack does on their behalf."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garret.local_cloud import rights
from tests.local_cloud.house import REGION, SECRET, Clients, House, code_of
from tests.local_cloud.machines import running
from tests.local_cloud.ros.stage import Ros, network, template


@pytest.fixture
def ros(house: House) -> Ros:
    """Return the typed client of ROS."""
    return Ros(house)


ALL = ["ros:*", "ecs:*", "vpc:*"]


def policy(*actions: str, effect: str = "Allow", resource: object = "*", **more: Any) -> dict[str, Any]:
    """Return a statement."""
    return {"Effect": effect, "Action": list(actions), "Resource": resource, **more}


def key(house: House, *statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make a key that has these statements for a policy."""
    return house.own("POST", "/_garret/keys", {"policy": {"Version": "1", "Statement": list(statements)}, **more})


def clients(house: House, made: dict[str, Any]) -> Clients:
    """Return clients that sign with this key."""
    return Clients(house.host, made["access_key_id"], made["access_key_secret"])


def test_a_key_does_what_its_policy_says_and_nothing_else(house: House) -> None:
    """The refusal comes before any look at the parameters, with the action and the kind of denial in its detail."""
    mine = clients(house, key(house, policy("ecs:DescribeRe*"), name="reader"))
    assert mine.call("DescribeRegions")["Regions"]["Region"]
    with pytest.raises(Exception, match="not authorized") as denied:
        mine.call("DescribeZones")
    assert code_of(denied.value) == "Forbidden.RAM"
    detail = denied.value.access_denied_detail
    assert (detail["AuthAction"], detail["NoPermissionType"]) == ("ecs:DescribeZones", "ImplicitDeny")
    assert (detail["AuthPrincipalDisplayName"], detail["PolicyType"]) == ("reader", "AccountLevelIdentityBasedPolicy")
    for version, action, code in (
        ("2019-09-10", "ListStacks", "NoPermission"),
        ("2017-12-14", "QueryAccountBalance", "NotAuthorized"),
    ):
        with pytest.raises(Exception, match=code):
            mine.common(version, action)
    assert mine.common("2015-04-01", "GetCallerIdentity")["Arn"].endswith(":user/reader")
    assert house.common("2015-04-01", "GetCallerIdentity")["IdentityType"] == "Account"


def test_a_denial_wins(house: House) -> None:
    """What is allowed by one statement and denied by another is denied explicitly."""
    mine = clients(house, key(house, policy("*"), policy("ecs:Describe*", effect="Deny")))
    with pytest.raises(Exception, match="ExplicitDeny"):
        mine.call("DescribeRegions")
    assert mine.vpc("DescribeVpcs")["TotalCount"] == 0


def test_resources_and_tags_narrow_a_policy(house: House) -> None:
    """A machine is stopped by who may stop it by name or by tag, another one is not."""
    first = running(house, Tag=[{"Key": "garret:deployment", "Value": "film"}])
    second = running(house)
    by_tag = policy("ecs:StopInstance", Condition={"StringEquals": {"acs:ResourceTag/garret:deployment": ["film"]}})
    by_name = policy("ecs:StopInstance", resource=f"acs:ecs:*:*:instance/{second}")
    for allowed, its, other in ((by_tag, first, second), (by_name, second, first)):
        mine = clients(house, key(house, allowed))
        with pytest.raises(Exception, match="ImplicitDeny"):
            mine.call("StopInstance", InstanceId=other)
        mine.call("StopInstance", InstanceId=its)


def test_a_stack_acts_with_the_rights_of_who_asked(house: House, ros: Ros) -> None:
    """Without the right to make a network the stack fails by name; a deletion runs with the deleting key's rights."""
    text = template(network())
    asked: dict[str, str] = {"RegionId": REGION, "StackName": "poor", "TemplateBody": text, "DisableRollback": "true"}
    poor = clients(house, key(house, policy("ros:*", "ecs:DescribeZones")))
    stack = poor.common("2019-09-10", "CreateStack", **asked)["StackId"]
    seen = ros.settled(stack)
    assert seen.status == "CREATE_FAILED"
    assert "Forbidden.RAM" in seen.status_reason
    assert "vpc:CreateVpc" in seen.status_reason
    rich = clients(house, key(house, policy(*ALL)))
    made = rich.common("2019-09-10", "CreateStack", **{**asked, "StackName": "rich"})["StackId"]
    assert ros.settled(made).status == "CREATE_COMPLETE"
    calls = house.own("GET", "/_garret/calls?inner=1")["calls"]
    inner = {call["action"] for call in calls if call["door"] == "inner" and call["key"] == rich.key}
    assert {"CreateVpc", "CreateVSwitch"} <= inner
    assert all(call["door"] == "outer" for call in house.own("GET", "/_garret/calls")["calls"])
    poor.common("2019-09-10", "DeleteStack", RegionId=REGION, StackId=made)
    assert ros.settled(made).status == "DELETE_FAILED"
    rich.common("2019-09-10", "DeleteStack", RegionId=REGION, StackId=made)
    assert ros.settled(made).status == "DELETE_COMPLETE"


def test_the_log_is_enough_for_a_least_policy(house: House, ros: Ros) -> None:
    """A policy of the actions that the log shows for a stack, and of those only, makes the same stack again."""
    text = template(network())
    ros.settled(ros.create(text, "first"))
    calls = house.own("GET", "/_garret/calls?inner=1")["calls"]
    actions = sorted({rights.ram_action(call["product"], call["action"]) for call in calls})
    assert "vpc:CreateVSwitch" in actions
    assert any("CidrBlock" in call["params"] for call in calls if call["action"] == "CreateVSwitch")
    asked = {"RegionId": REGION, "StackName": "second", "TemplateBody": text}
    mine = clients(house, key(house, policy(*actions)))
    assert ros.settled(mine.common("2019-09-10", "CreateStack", **asked)["StackId"]).status == "CREATE_COMPLETE"


def test_a_role_signs_with_its_token(house: House) -> None:
    """A key made with a token needs exactly that token, in either signature."""
    made = key(house, policy("ecs:*"), token=True, name="node")
    mine, token = clients(house, made), made["security_token"]
    from alibabacloud_ecs20140526.models import DescribeRegionsRequest

    assert mine.ecs(token=token).describe_regions(DescribeRegionsRequest()).status_code == 200
    with pytest.raises(Exception, match="InvalidAccessKeyId"):
        mine.ecs().describe_regions(DescribeRegionsRequest())
    with pytest.raises(Exception, match="InvalidSecurityToken"):
        mine.ecs(token=token + "x").describe_regions(DescribeRegionsRequest())
    from aliyunsdkcore.auth.credentials import StsTokenCredential
    from aliyunsdkcore.client import AcsClient
    from aliyunsdkcore.request import CommonRequest

    request = CommonRequest(domain=house.host, version="2015-04-01", action_name="GetCallerIdentity")
    credential = StsTokenCredential(mine.key, mine.secret, token)
    reply = json.loads(AcsClient(region_id=REGION, credential=credential).do_action_with_exception(request))
    assert reply["IdentityType"] == "AssumedRoleUser"


def test_a_deleted_key_is_unknown(house: House) -> None:
    """It is gone from the list, refused at the door, and its secret opens no control door."""
    made = key(house, policy("*"))
    status, _ = house.http("GET", "/_garret/keys", headers={"x-garret-secret": made["access_key_secret"]})
    assert status == 403
    assert [one["access_key_id"] for one in house.own("GET", "/_garret/keys")["keys"]] == [made["access_key_id"]]
    assert made["access_key_secret"] not in str(house.own("GET", "/_garret/keys"))
    assert house.own("DELETE", f"/_garret/keys?id={made['access_key_id']}") == {"keys": []}
    with pytest.raises(Exception, match="InvalidAccessKeyId"):
        clients(house, made).call("DescribeRegions")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "policy"),
        ({"policy": {"Version": "2", "Statement": [policy("*")]}}, "Version"),
        ({"policy": {"Version": "1", "Statement": [policy("RunInstances")]}}, "product:Action"),
        ({"policy": {"Version": "1", "Statement": [policy("*", Condition={"IpAddress": {}})]}}, "IpAddress"),
        ({"policy": {"Version": "1", "Statement": [policy("*", Condition={"StringEquals": {"acs:MFA": "1"}})]}}, "MFA"),
        ({"policy": {"Version": "1", "Statement": [policy("*")]}, "names": "x"}, "only policy"),
    ],
)
def test_a_policy_that_is_not_judged_here_is_refused_by_name(house: House, body: object, said: str) -> None:
    """What would be silently left out is an error that names it."""
    status, reply = house.http("POST", "/_garret/keys", json.dumps(body).encode(), {"x-garret-secret": SECRET})
    assert status == 400
    assert said in reply["error"]
    assert SECRET not in str(reply)


@given(
    action=st.sampled_from(["ecs:RunInstances", "ecs:StopInstance", "vpc:CreateVpc", "ros:CreateStack"]),
    allow=st.sets(st.sampled_from(["*", "ecs:*", "ecs:Stop*", "vpc:createvpc", "ros:Create?tack", "oos:*"])),
    deny=st.sets(st.sampled_from(["*", "ecs:Run*", "ros:*"])),
)
def test_a_denial_never_yields_and_nothing_is_allowed_by_itself(action: str, allow: set[str], deny: set[str]) -> None:
    """Against a model that compares by the parts before and after the star."""

    def meets(pattern: str) -> bool:
        pattern = pattern.lower().replace("create?tack", "createstack")
        head, star, _ = pattern.partition("*")
        return action.lower().startswith(head) if star else action.lower() == pattern

    statements = [policy(*sorted(allow))] * bool(allow) + [policy(*sorted(deny), effect="Deny")] * bool(deny)
    why = rights.judge([{"Statement": statements}], action, "acs:ecs:cn-hangzhou:1:*", {})
    expected = "ExplicitDeny" if any(map(meets, deny)) else "" if any(map(meets, allow)) else "ImplicitDeny"
    assert why == expected
