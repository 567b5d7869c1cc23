"""What the cloud says of a template before anything is made: values it can serve, actions it needs, a summary."""

from __future__ import annotations

import json
from typing import Any

import pytest
from Tea.exceptions import TeaException

from garret.local_cloud.core import PRODUCTS
from garret.local_cloud.ros.facts import all_facts, read_facts
from tests.local_cloud.house import REGION, TYPE, House, code_of
from tests.local_cloud.ros.stage import Ros, network, node, template

TYPES = {"Kind": {"Type": "String"}, "Disk": {"Type": "String", "AllowedValues": ["cloud_essd", "cloud_ssd"]}}


def machines(**sections: Any) -> str:
    """A template whose zone, type and disk are parameters."""
    parts = node(InstanceType={"Ref": "Kind"}, SystemDiskCategory={"Ref": "Disk"})
    return template(network(**parts), Parameters={**TYPES, **sections.pop("Parameters", {})}, **sections)


def constraints(ros: Ros, text: str, passed: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """The reply by parameter, as plain values."""
    from alibabacloud_ros20190910 import models

    pairs = [
        models.GetTemplateParameterConstraintsRequestParameters(parameter_key=key, parameter_value=value)
        for key, value in (passed or {}).items()
    ]
    reply = ros.ask("get_template_parameter_constraints", template_body=text, parameters=pairs, **fields)
    return {one.parameter_key: one.to_map() for one in reply.parameter_constraints}


def test_values_are_those_that_the_cloud_sells(ros: Ros) -> None:
    """Types and zones come from stock, disk categories from the cloud and the parameter's own list."""
    found = constraints(ros, machines())
    assert TYPE in found["Kind"]["AllowedValues"]
    assert f"{REGION}-i" in found["Zone"]["AllowedValues"]
    assert found["Disk"]["AllowedValues"] == ["cloud_essd"]
    assert found["Name"]["Behavior"] == "NoLimit"
    uses = {(one["ResourceName"], one["PropertyName"]) for one in found["Zone"]["OriginalConstraints"]}
    assert uses == {("Switch", "ZoneId"), ("Node", "ZoneId")}


def test_what_was_passed_narrows_the_rest(ros: Ros, house: House) -> None:
    """With a type only the zones that have it are left, and the other way round; the reply says on what it depends."""
    house.cloud.call("Ecs", "DescribeZones", REGION, {"RegionId": REGION})
    zones = constraints(ros, machines(), {"Kind": TYPE})["Zone"]
    assert zones["AssociationParameterNames"] == ["Kind"]
    assert set(zones["AllowedValues"]) <= set(constraints(ros, machines())["Zone"]["AllowedValues"])
    kinds = constraints(ros, machines(), {"Zone": zones["AllowedValues"][0]}, parameters_key_filter=["Kind"])
    assert list(kinds) == ["Kind"]
    assert TYPE in kinds["Kind"]["AllowedValues"]


def test_rules_and_patterns_take_values_away(ros: Ros) -> None:
    """Values that break the parameter's pattern or the template's rules are told apart."""
    rule = {"Assertions": [{"Assert": {"Fn::Not": {"Fn::Equals": [{"Ref": "Kind"}, TYPE]}}}]}
    found = constraints(ros, machines(Rules={"NotThis": rule}))
    assert TYPE in found["Kind"]["IllegalValueByRules"]
    assert TYPE not in found["Kind"]["AllowedValues"]
    strict = constraints(ros, machines(Parameters={"Kind": {"Type": "String", "AllowedPattern": "nothing"}}))
    assert strict["Kind"]["AllowedValues"] == []
    assert TYPE in strict["Kind"]["IllegalValueByParameterConstraints"]


def test_constraints_refuse(ros: Ros) -> None:
    """Unknown parameters, in the filter as well, have the vendor's code."""
    with pytest.raises(TeaException) as caught:
        constraints(ros, machines(), {"Moon": "full"})
    assert code_of(caught.value) == "UnknownUserParameter"
    with pytest.raises(TeaException) as caught:
        constraints(ros, machines(), parameters_key_filter=["Moon"])
    assert code_of(caught.value) == "UnknownUserParameter"


def policy(ros: Ros, text: str, *operations: str) -> list[str]:
    """The allowed actions."""
    from alibabacloud_ros20190910 import models

    request = models.GenerateTemplatePolicyRequest(template_body=text, operation_types=list(operations))
    statement = ros.client.generate_template_policy(request).body.policy.statement
    assert all((one.effect, one.resource) == ("Allow", "*") for one in statement)
    return [action for one in statement for action in one.action]


def test_policy_has_exact_actions(ros: Ros) -> None:
    """No wildcard, and only what the template's types call in the operation that is asked for."""
    creating = policy(ros, template(network()), "CreateStack")
    assert {"vpc:CreateVpc", "vpc:CreateVSwitch", "vpc:DescribeVpcAttribute"} <= set(creating)
    assert not [action for action in creating if "*" in action or "Delete" in action]
    assert "vpc:DeleteVpc" in policy(ros, template(network()), "DeleteStack")
    assert set(creating) < set(policy(ros, template(network())))
    assert "ram:PassRole" not in policy(ros, template(network(**node())))
    assert "ram:PassRole" in policy(ros, template(network(**node(RamRoleName="demo"))))


def test_policy_refuses_an_unknown_operation(ros: Ros) -> None:
    """The known ones are told."""
    with pytest.raises(TeaException, match="CreateStack"):
        policy(ros, template(network()), "FlyStack")


def test_every_type_has_its_actions() -> None:
    """The table has every type of the facts, and each action names a product and an API."""
    table = read_facts("template_policy.json")
    assert set(table) == set(all_facts())
    products = {name.lower() for name in PRODUCTS} | {"ram", "oos", "ros", "vpc", "ecs"}
    for groups in table.values():
        lists = [more for key, more in groups.items() if key != "given"] + list(groups.get("given", {}).values())
        assert all(action.split(":")[0] in products and "*" not in action for more in lists for action in more)


def test_summary(ros: Ros) -> None:
    """Description, parameters, types and the names of their resources."""
    text = json.dumps({**json.loads(machines()), "Description": "Machines", "Metadata": {"Mine": {"a": 1}}})
    reply = ros.ask("get_template_summary", template_body=text)
    assert (reply.version, reply.description, reply.metadata) == ("2015-09-01", "Machines", {"Mine": {"a": 1}})
    assert "ALIYUN::ECS::VSwitch" in reply.resource_types
    names = {one.resource_type: one.logical_resource_ids for one in reply.resource_identifier_summaries}
    assert names["ALIYUN::ECS::VPC"] == ["Vpc"]
