"""Stacks with a machine, an address and user-data, on nodes that exist on paper."""

from __future__ import annotations

from typing import Any

import pytest
from Tea.exceptions import TeaException

from garret.local_cloud.faults import Fault
from tests.local_cloud.house import REGION, TYPE, House, PaperDriver, code_of, until
from tests.local_cloud.ros.stage import TAG, Ros, left_over, network, node, template, waiting

USER_DATA = {"Fn::Replace": [{"@@SIGNAL@@": {"Fn::GetAtt": ["Handle", "CurlCli"]}}, "#cloud-config\n# @@SIGNAL@@ ü\n"]}
FIRST = {"Fn::Select": [0, {"Fn::GetAtt": ["Node", "InstanceIds"]}]}
ADDRESS = {
    "Address": {"Type": "ALIYUN::VPC::EIP", "Properties": {"InternetChargeType": "PayByTraffic", "Bandwidth": 100}},
    "Bound": {
        "Type": "ALIYUN::VPC::EIPAssociation",
        "Properties": {"AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]}, "InstanceId": FIRST},
    },
}
OUTPUTS = {
    "InstanceId": {"Value": FIRST},
    "PublicIp": {"Value": {"Fn::GetAtt": ["Address", "EipAddress"]}},
    "PublicIps": {"Value": {"Fn::GetAtt": ["Node", "PublicIps"]}},
    "PrivateIps": {"Value": {"Fn::GetAtt": ["Node", "PrivateIps"]}},
    "Url": {"Value": {"Fn::GetAtt": ["Handle", "URL"]}},
}


def _whole(**properties: Any) -> str:
    machine = node(UserData=USER_DATA, Tags=[{"Key": "own", "Value": "1"}], **properties)
    resources = network(**machine, **ADDRESS, **waiting())
    resources["Ready"]["DependsOn"] = ["Node", "Bound"]
    return template(resources, Outputs=OUTPUTS)


def test_node_with_address_and_signal(house: House, driver: PaperDriver, ros: Ros) -> None:
    """The machine gets the user-data with the handle's command, its address, and all tags; the signal completes it."""
    stack_id = ros.create(_whole())
    until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id))
    outputs = ros.outputs(stack_id)
    request = driver.nodes[outputs["InstanceId"]]
    assert "resource=Handle" in request.user_data
    assert request.user_data.startswith("#cloud-config\n# curl -i -X POST -H")
    assert request.user_data.endswith(" ü\n")
    until(lambda: driver.addresses.get(outputs["InstanceId"]) == outputs["PublicIp"])
    assert outputs["PublicIps"] == [outputs["PublicIp"]]
    assert outputs["PrivateIps"][0].startswith("192.168.1.")
    machine = house.store.find("instance")[0]
    assert {"Key": "own", "Value": "1"} in machine["Tags"]
    for kind in ("vpc", "vswitch", "security_group", "instance", "eip"):
        assert TAG in house.store.find(kind)[0]["Tags"], kind
    ros.ask("signal_resource", stack_id=stack_id, logical_resource_id="Ready", status="SUCCESS", unique_id="n")
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    assert left_over(house) == {}
    assert driver.nodes == {}


def test_no_stock_leaves_nothing(house: House, driver: PaperDriver, ros: Ros) -> None:
    """When nobody has the machine, the code stands in the reason and everything made before goes away."""
    house.cloud.faults.set_stock(f"{REGION}-i", TYPE, "WithoutStock")
    stack_id = ros.create(_whole())
    stack = ros.settled(stack_id)
    assert stack.status == "CREATE_ROLLBACK_COMPLETE"
    assert "OperationDenied.NoStock" in stack.status_reason
    assert "resources.Node" in stack.status_reason
    reasons = [
        one.status_reason for one in ros.ask("list_stack_events", stack_id=stack_id, status=["CREATE_FAILED"]).events
    ]
    assert any("OperationDenied.NoStock" in reason for reason in reasons)
    assert left_over(house) == {}
    assert driver.nodes == {}


def test_boot_that_fails(house: House, driver: PaperDriver, ros: Ros) -> None:
    """A machine that stops instead of starting fails the stack, and is released."""
    driver.boot_error = "no room for another process"
    stack_id = ros.create(_whole())
    stack = ros.settled(stack_id)
    assert stack.status == "CREATE_ROLLBACK_COMPLETE"
    assert "ResourceInError" in stack.status_reason
    assert left_over(house) == {}


def test_delete_a_running_node(house: House, driver: PaperDriver, ros: Ros) -> None:
    """DeleteStack releases a machine that runs."""
    stack_id = ros.create(template(network(**node())))
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"
    assert len(driver.running) == 1
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    assert (left_over(house), driver.running) == ({}, set())


def test_several_machines(house: House, ros: Ros) -> None:
    """MaxAmount makes that many, told in one order; more than a call of the cloud allows is refused."""
    outputs = {"Ids": {"Value": {"Fn::GetAtt": ["Node", "InstanceIds"]}}, "Ips": OUTPUTS["PrivateIps"]}
    stack_id = ros.create(template(network(**node(MaxAmount=3)), Outputs=outputs))
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"
    told = ros.outputs(stack_id)
    assert len(told["Ids"]) == len(set(told["Ips"])) == 3
    assert ros.resources(stack_id)["Node"].physical_resource_id == ",".join(told["Ids"])
    with pytest.raises(TeaException, match="MaxAmount 101"):
        ros.create(template(network(**node(MaxAmount=101))), name="many")


def test_one_instance(house: House, ros: Ros) -> None:
    """ALIYUN::ECS::Instance is one machine with attributes of its own."""
    resources = network(**node())
    del resources["Node"]["Properties"]["MaxAmount"]
    resources["Node"]["Type"] = "ALIYUN::ECS::Instance"
    outputs = {name: {"Value": {"Fn::GetAtt": ["Node", name]}} for name in ("InstanceId", "PrivateIp", "ZoneId")}
    stack_id = ros.create(template(resources, Outputs=outputs))
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"
    told = ros.outputs(stack_id)
    assert (told["InstanceId"][:2], told["PrivateIp"][:8], told["ZoneId"]) == ("i-", "192.168.", f"{REGION}-i")
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"


BROKEN_RULES: list[tuple[dict[str, Any], str]] = [
    ({"InstanceType": None}, "InstanceType is required"),
    ({"MaxAmount": 2000}, "at most 1000"),
    ({"InstanceChargeType": "Barter"}, "InstanceChargeType"),
    ({"SystemDiskSize": "large"}, "a number"),
    ({"Tags": [{"Value": "x"}]}, "Tags[0].Key is required"),
    ({"DiskMappings": [{"Size": 20, "KMSKeyId": "key"}]}, "DiskMappings.KMSKeyId of ALIYUN::ECS::InstanceGroup"),
    ({"LaunchTemplateId": "lt-1"}, "LaunchTemplateId"),
    ({"AllocatePublicIP": True}, "AllocatePublicIP"),
]


def test_property_rules(house: House, ros: Ros) -> None:
    """A property that breaks a rule, or would be dropped silently, is named before anything is made."""
    for properties, part in BROKEN_RULES:
        with pytest.raises(TeaException) as caught:
            ros.create(template(network(**node(**properties))))
        assert code_of(caught.value) == "StackValidationFailed"
        assert part in str(caught.value)
    assert left_over(house) == {}


def test_throttled_call_is_tried_again(house: House, ros: Ros) -> None:
    """A moment of throttling inside a stack does not fail it."""
    house.cloud.faults.add(Fault("RunInstances", code="Throttling.User", status=400, times=2))
    stack_id = ros.create(template(network(**node())))
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"
    assert left_over(house)["instance"] == 1


def test_rule_of_its_own(house: House, ros: Ros) -> None:
    """ALIYUN::ECS::SecurityGroupIngress adds a rule to a group and takes it away with the stack."""
    first = ros.create(template(network(**{"Group": node()["Group"]})))
    ros.settled(first)
    group = ros.resources(first)["Group"].physical_resource_id
    rule = {"IpProtocol": "tcp", "PortRange": "8443/8443", "SourceCidrIp": "203.0.113.9/32", "SecurityGroupId": group}
    second = ros.create(
        template({"Rule": {"Type": "ALIYUN::ECS::SecurityGroupIngress", "Properties": rule}}), name="rule"
    )
    assert ros.settled(second).status == "CREATE_COMPLETE"
    assert len(house.store.get("security_group", group)["Rules"]) == 2  # type: ignore[index]
    ros.ask("delete_stack", stack_id=second)
    assert ros.settled(second).status == "DELETE_COMPLETE"
    assert len(house.store.get("security_group", group)["Rules"]) == 1  # type: ignore[index]
