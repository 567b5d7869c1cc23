"""The actions that make nothing: ValidateTemplate, PreviewStack, GetTemplateEstimateCost."""

from __future__ import annotations

import pytest
from Tea.exceptions import TeaException

from tests.local_cloud.house import House, code_of
from tests.local_cloud.ros.stage import Ros, left_over, network, node, template

SECRET = {"Word": {"Type": "String", "NoEcho": True, "Default": "sesame", "Label": {"en": "Word"}}}


def test_validate(ros: Ros) -> None:
    """ValidateTemplate tells parameters, resources and outputs, and no NoEcho default."""
    text = template(network(), Parameters=SECRET, Outputs={"V": {"Value": {"Ref": "Vpc"}, "Label": "L"}})
    reply = ros.ask("validate_template", template_body=text)
    found = {one["ParameterKey"]: one for one in reply.parameters}
    assert found["Name"]["Default"] == "demo"
    assert (found["Word"]["NoEcho"], found["Word"]["Default"]) == ("true", "******")
    assert reply.resource_types.resources == ["ALIYUN::ECS::VPC", "ALIYUN::ECS::VSwitch"]
    assert reply.outputs[0].output_key == "V"


def test_validate_refuses(ros: Ros) -> None:
    """A template that is none is refused with the vendor's code."""
    with pytest.raises(TeaException) as caught:
        ros.ask("validate_template", template_body="a: [")
    assert code_of(caught.value) == "InvalidTemplate"
    with pytest.raises(TeaException, match="TemplateBody is missing"):
        ros.ask("validate_template")


def test_preview_makes_nothing(house: House, ros: Ros) -> None:
    """PreviewStack shows evaluated properties, null where only the cloud will know, and who needs whom."""
    resources = network()
    resources["Vpc"]["Properties"]["Description"] = {"Fn::Sub": "the word is ${Word}"}
    text = template(resources, Parameters=SECRET)
    stack = ros.ask("preview_stack", stack_name="demo", template_body=text).stack
    found = {one.logical_resource_id: one for one in stack.resources}
    assert found["Vpc"].properties["VpcName"] == "demo"
    assert found["Vpc"].properties["Description"] == "the word is ******"
    assert found["Vpc"].required_by == ["Switch"]
    assert found["Switch"].properties["VpcId"] is None
    assert left_over(house) == {}
    assert house.store.find("stack") == []


def test_estimate(ros: Ros) -> None:
    """The estimate is what DescribePrice and the price table say, for what costs something only."""
    eip = {"Address": {"Type": "ALIYUN::VPC::EIP", "Properties": {"InternetChargeType": "PayByTraffic"}}}
    reply = ros.ask("get_template_estimate_cost", template_body=template(network(**node(), **eip)))
    assert set(reply.resources) == {"Node", "Address"}
    machine = reply.resources["Node"]
    order = machine["Result"]["Order"]
    assert (machine["Success"], machine["Type"], order["Currency"]) == (True, "ALIYUN::ECS::InstanceGroup", "CNY")
    house = ros.house
    price = house.common(
        "2014-05-26", "DescribePrice", RegionId="cn-hangzhou", InstanceType="ecs.gn7i-c16g1.4xlarge",
        SystemDisk__Category="cloud_essd", SystemDisk__Size="100", PriceUnit="Hour",
    )["PriceInfo"]["Price"]  # fmt: skip
    assert order["TradeAmount"] == price["TradePrice"] > 0


def test_estimate_of_a_type_nobody_sells(ros: Ros) -> None:
    """A resource whose price is refused says why, and the others keep theirs."""
    text = template(network(**node(InstanceType="ecs.gn7i-moon.large")))
    machine = ros.ask("get_template_estimate_cost", template_body=text).resources["Node"]
    assert machine["Success"] is False
    assert machine["ErrorCode"]
