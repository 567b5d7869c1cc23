"""The checker itself: it finds what is wrong, and only that."""

from __future__ import annotations

import pytest

from tests.contract.checker import FORM, Request, faults, tables

V3 = {"authorization": "ACS3-HMAC-SHA256 …"}


def ros(action: str, query: str, body: str = "") -> Request:
    """A request to ROS as the typed SDK sends it."""
    headers = V3 | {"x-acs-action": action, "x-acs-version": "2019-09-10"} | ({"content-type": FORM} if body else {})
    return Request(query, headers, body.encode())


GOOD = "RegionId=cn-hangzhou&StackName=a&Parameters.1.ParameterKey=k&Parameters.1.ParameterValue=v"
WRONG = [
    (ros("CreateStack", GOOD + "&StackNme=a"), "StackNme: there is no such parameter"),
    (ros("CreateStack", "RegionId=cn-hangzhou"), "StackName: is required and missing"),
    (ros("CreateStack", "RegionId=cn-hangzhou&StackName="), "StackName: is required and missing"),
    (ros("CreateStack", GOOD + "&TimeoutInMinutes=soon"), "TimeoutInMinutes: 'soon' is no Long"),
    (ros("CreateStack", GOOD + "&DisableRollback=no"), "DisableRollback: 'no' is no Boolean"),
    (ros("CreateStack", GOOD + "&TemplateBody=x"), "TemplateBody: travels in the body, not in the query"),
    (ros("CreateStack", "RegionId=r", "StackName=a"), "StackName: travels in the query, not in the body"),
    (ros("CreateStack", GOOD + "&Tags.1.Value=v"), "Tags.1.Key: is required and missing"),
    (ros("CreateStack", GOOD + "&Tags.2.Key=k"), "Tags: its members are numbered [2], not from 1 on"),
    (ros("CreateStack", GOOD + "&Tags.Key=k"), "Tags.Key: there is no such parameter"),
    (ros("CreateStack", GOOD + "&Parameters.1.Key=k"), "Parameters.1.Key: there is no such parameter"),
    (ros("CreateStacks", GOOD), "the API tables know no such action"),
    (Request("Action=CreateStack&Version=1999-01-01", {}, b""), "the API tables know no such action"),
]


@pytest.mark.parametrize(("request_", "fault"), WRONG, ids=[fault for _, fault in WRONG])
def test_each_fault_is_named(request_: Request, fault: str) -> None:
    """Unknown, missing, of a wrong type, in a wrong place, badly numbered: one line each."""
    found = faults(request_)
    assert any(fault in line for line in found), found


def test_a_good_request_has_no_fault() -> None:
    """As the SDK sends it, with Python's capital truth and a template in the body."""
    query = GOOD + "&DisableRollback=False&TimeoutInMinutes=75&Tags.1.Key=k&Tags.1.Value="
    assert faults(ros("CreateStack", query, "TemplateBody=%7B%7D")) == []


def test_the_envelope_of_version_1_is_no_parameter() -> None:
    """What the core SDK adds to sign in the query is not held against the action."""
    query = "Action=GetCallerIdentity&Version=2015-04-01&Signature=x&SignatureNonce=1&RegionId=r&Format=JSON"
    assert faults(Request(query, {}, b"")) == []
    assert faults(Request(query + "&Whose=mine", {}, b"")) == ["GetCallerIdentity: Whose: there is no such parameter"]


def test_dotted_names_and_bodies_of_other_products() -> None:
    """ECS has names with dots and lists of lists; quotas reads everything from the body."""
    ecs = V3 | {"x-acs-action": "RunInstances", "x-acs-version": "2014-05-26"}
    assert faults(Request("RegionId=r&SystemDisk.Size=100&DataDisk.1.Size=20&SecurityGroupIds.1=sg", ecs, b"")) == []
    assert faults(Request("RegionId=r&SystemDisk.Sise=100", ecs, b"")) != []
    quotas = V3 | {"x-acs-action": "ListProductQuotas", "x-acs-version": "2020-05-10", "content-type": FORM}
    assert faults(Request("", quotas, b"ProductCode=ecs&Dimensions.1.Key=regionId&Dimensions.1.Value=r")) == []
    assert faults(Request("ProductCode=ecs", quotas, b"")) != []


def test_the_facts_are_there() -> None:
    """Every product of ours has a table, and each entry is in the compact form."""
    from garret.ops.aliyun.products import PRODUCTS

    assert {product.version for product in PRODUCTS.values()} <= set(tables())
    assert sum(len(actions) for actions in tables().values()) > 150
