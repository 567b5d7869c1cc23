"""The template language as a whole: a template goes in, ValidateTemplate and PreviewStack answer over the wire."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from Tea.exceptions import TeaException

from tests.local_cloud.house import House, code_of
from tests.local_cloud.ros.stage import Ros, network, template

VPC = "ALIYUN::ECS::VPC"


def vpc(**properties: Any) -> dict[str, Any]:
    """A network with these properties."""
    return {"Type": VPC, "Properties": properties}


def preview(ros: Ros, text: str, **passed: str) -> dict[str, Any]:
    """The previewed resources by name, after the template has been validated."""
    from alibabacloud_ros20190910 import models

    ros.ask("validate_template", template_body=text)
    pairs = [
        models.PreviewStackRequestParameters(parameter_key=key, parameter_value=value) for key, value in passed.items()
    ]
    stack = ros.ask("preview_stack", stack_name="preview", template_body=text, parameters=pairs).stack
    return {one.logical_resource_id: one for one in stack.resources}


def refused(ros: Ros, text: str, **passed: str) -> tuple[str, str]:
    """The code and the words with which the template is refused."""
    with pytest.raises(TeaException) as caught:
        preview(ros, text, **passed)
    return code_of(caught.value), str(caught.value)


COUNTED = {
    "Net": {**vpc(VpcName={"Fn::Sub": "net-${ALIYUN::Index}"}, Description={"Ref": "ALIYUN::Index"}), "Count": 3},
    "Switch": {
        "Type": "ALIYUN::ECS::VSwitch",
        "Count": {"Ref": "Many"},
        "Properties": {
            "VpcId": {"Fn::Select": [{"Ref": "ALIYUN::Index"}, {"Ref": "Net"}]},
            "ZoneId": {"Ref": "Zone"},
            "CidrBlock": {"Fn::Select": [{"Ref": "ALIYUN::Index"}, {"Fn::Cidr": ["192.168.0.0/16", 8, 8]}]},
        },
    },
    "All": {**vpc(Description={"Fn::Join": [",", {"Fn::GetAtt": ["Net", "VpcId"]}]}), "DependsOn": "Switch"},
}
MANY = {"Many": {"Type": "Number", "Default": 2}}


def test_count_makes_numbered_resources(ros: Ros) -> None:
    """Name[0] and so on, each with its own index, and waiting only for the one that it chooses."""
    found = preview(ros, template(COUNTED, Parameters=MANY))
    assert set(found) == {"Net[0]", "Net[1]", "Net[2]", "Switch[0]", "Switch[1]", "All"}
    assert [found[f"Net[{index}]"].properties["VpcName"] for index in range(3)] == ["net-0", "net-1", "net-2"]
    assert found["Net[1]"].properties["Description"] == 1
    assert found["Switch[1]"].properties["CidrBlock"] == "192.168.1.0/24"
    assert found["Net[1]"].required_by == ["All", "Switch[1]"]
    assert found["Switch[0]"].required_by == ["All"]
    assert set(preview(ros, template(COUNTED, Parameters=MANY), Many="0")) == {"Net[0]", "Net[1]", "Net[2]", "All"}


def test_count_is_told_as_a_pattern(ros: Ros) -> None:
    """ValidateTemplate does not know how many there will be."""
    reply = ros.ask("validate_template", template_body=template(COUNTED, Parameters=MANY))
    assert {one.logical_resource_id_pattern for one in reply.resources} == {"Net[*]", "Switch[*]", "All"}


def test_one_of_several_by_its_name(ros: Ros) -> None:
    """Name[1] may be referred to as any resource."""
    resources = {"Net": {**vpc(), "Count": 2}, "Other": {**vpc(Description={"Ref": "Net[1]"}), "DependsOn": "Net[0]"}}
    found = preview(ros, template(resources))
    assert (found["Net[0]"].required_by, found["Net[1]"].required_by) == (["Other"], ["Other"])


@pytest.mark.parametrize(
    ("count", "code"),
    [
        (-1, "StackValidationFailed"),
        (True, "StackValidationFailed"),
        ("many", "StackValidationFailed"),
        (201, "StackValidationFailed"),
        ({"Fn::GetAtt": ["Other", "VpcId"]}, "StackValidationFailed"),
        ({"Ref": "Other"}, "InvalidTemplateReference"),
        ({"Fn::Equals": [1, 1]}, "StackValidationFailed"),
    ],
)
def test_wrong_counts(ros: Ros, count: Any, code: str) -> None:
    """No number, too many, and what only resources or conditions know."""
    assert refused(ros, template({"Net": {**vpc(), "Count": count}, "Other": vpc()}))[0] == code


def test_index_outside_of_count(ros: Ros) -> None:
    """ALIYUN::Index means something only where there is a Count."""
    assert refused(ros, template({"Net": vpc(Description={"Ref": "ALIYUN::Index"})}))[0] == "InvalidTemplateReference"


def test_counted_stack_is_made_and_deleted(ros: Ros, house: House) -> None:
    """The instances exist under their numbered names and refer to each other."""
    resources = {"Net": {**vpc(VpcName={"Fn::Sub": "n-${ALIYUN::Index}"}), "Count": 2}}
    outputs = {"Ids": {"Value": {"Ref": "Net"}}, "Second": {"Value": {"Fn::GetAtt": ["Net[1]", "VpcName"]}}}
    stack_id = ros.create(template(resources, Outputs=outputs))
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"
    assert set(ros.resources(stack_id)) == {"Net[0]", "Net[1]"}
    told = ros.outputs(stack_id)
    assert (len(told["Ids"]), told["Second"]) == (2, "n-1")
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"


LOCALS = {
    "Prefix": {"Value": {"Fn::Sub": "p-${Name}"}},
    "Title": {"Type": "Macro", "Value": {"Fn::Join": ["/", [{"Ref": "Prefix"}, "x"]]}},
    "Large": {"Type": "Eval", "Value": {"Fn::Equals": [{"Fn::Length": {"Ref": "Name"}}, 4]}},
}


def test_locals(ros: Ros) -> None:
    """Macros and evaluated values stand in resources, conditions and outputs, and may use each other."""
    resources = {"Net": {**vpc(VpcName={"Ref": "Title"}), "Condition": "IsLarge"}}
    sections = {
        "Locals": LOCALS,
        "Conditions": {"IsLarge": {"Ref": "Large"}},
        "Outputs": {"T": {"Value": {"Ref": "Title"}}},
    }
    assert preview(ros, template(resources, **sections))["Net"].properties["VpcName"] == "p-demo/x"
    assert preview(ros, template({**resources, "Other": vpc()}, **sections), Name="demos").keys() == {"Other"}


@pytest.mark.parametrize(
    ("sections", "code", "part"),
    [
        ({"Locals": {"A": {"Value": {"Ref": "B"}}, "B": {"Value": {"Ref": "A"}}}}, "CircularDependency", "A -> B"),
        ({"Locals": {"Name": {"Value": 1}}}, "StackValidationFailed", "Locals.Name"),
        ({"Locals": {"A": {"Type": "Eval", "Value": {"Ref": "Net"}}}}, "InvalidTemplateReference", "Net"),
        ({"Locals": {"A": {"Type": "DATASOURCE::VPC::Vpcs"}}}, "StackValidationFailed", "DATASOURCE::VPC::Vpcs"),
        ({"Locals": {f"L{i}": {"Value": {"Ref": f"L{i + 1}"}} for i in range(6)} | {"L6": {"Value": 1}}},
         "StackValidationFailed", "more than 5"),
        ({"Conditions": {"A": {"Fn::Select": [0, [True]]}}}, "StackValidationFailed", "Conditions.A"),
        ({"Conditions": {"A": {"Fn::Not": "B"}, "B": {"Fn::Not": "A"}}}, "CircularDependency", "A -> B -> A"),
        ({"Rules": {"R": {"Assertions": [{"Assert": {"Fn::GetAtt": ["Net", "VpcId"]}}]}}},
         "StackValidationFailed", "Rules"),
        ({"Metadata": {"ALIYUN::ROS::Interface": {"ParameterGroups": {"a": 1}}}}, "InvalidSchema", "ParameterGroups"),
        ({"Outputs": {"O": {"Value": {"Fn::FindInMap": ["A", "b", "c"]}}}}, "StackValidationFailed", "Mappings"),
        ({"Outputs": {"O": {"Value": {"Fn::ResourceFacade": "Metadata"}}}}, "StackValidationFailed", "ResourceFacade"),
        ({"Outputs": {"O": {"Value": {"Fn::MarketplaceImage": "c"}}}}, "StackValidationFailed", "MarketplaceImage"),
        ({"Parameters": {"P": {"Type": "String", "Default": "b", "AllowedValues": ["a"]}}},
         "StackValidationFailed", "P"),
        ({"Hooks": {}}, "StackValidationFailed", "Hooks"),
    ],
)  # fmt: skip
def test_wrong_sections(ros: Ros, sections: dict[str, Any], code: str, part: str) -> None:
    """Each section's mistakes have the vendor's code and are named."""
    found, words = refused(ros, template({"Net": vpc()}, **sections))
    assert found == code
    assert part in words


RULES = {
    "Different": {
        "RuleCondition": {"Fn::Not": {"Fn::Equals": [{"Ref": "Second"}, None]}},
        "Assertions": [
            {
                "Assert": {"Fn::Not": {"Fn::Equals": [{"Ref": "Zone"}, {"Ref": "Second"}]}},
                "AssertDescription": "Two zones",
            },
            {"Assert": {"Fn::Contains": [["a", "b"], {"Ref": "Second"}]}},
        ],
    }
}
SECOND = {"Second": {"Type": "String", "Default": None}}


def test_rules(ros: Ros) -> None:
    """An assertion counts where its condition holds; a false one is told with its description."""
    text = template({"Net": vpc()}, Rules=RULES, Parameters=SECOND)
    assert set(preview(ros, text)) == {"Net"}
    assert set(preview(ros, text, Second="a")) == {"Net"}
    code, words = refused(ros, text, Zone="b", Second="b")
    assert (code, "Two zones" in words) == ("StackValidationFailed", True)
    assert refused(ros, text, Second="c")[0] == "StackValidationFailed"


def test_condition_decides_what_is_previewed(ros: Ros) -> None:
    """A branch that is not taken may name what is not made, DependsOn too; NoValue leaves a property out."""
    resources = {
        "Old": {**vpc(), "Condition": "IsOld"},
        "New": {
            **vpc(Description={"Fn::If": ["IsOld", {"Ref": "Old"}, {"Ref": "ALIYUN::NoValue"}]}),
            "DependsOn": "Old",
        },
    }
    conditions = {"IsOld": {"Fn::Equals": [{"Ref": "Name"}, "old"]}}
    text = template(resources, Conditions=conditions)
    assert set(preview(ros, text, Name="old")) == {"Old", "New"}
    found = preview(ros, text)
    assert set(found) == {"New"}
    assert "Description" not in found["New"].properties
    taken = {**resources, "New": vpc(Description={"Ref": "Old"})}
    assert refused(ros, template(taken, Conditions=conditions))[0] == "InvalidTemplateReference"


def test_a_condition_spelt_out(ros: Ros) -> None:
    """Fn::If takes a condition's name, {Condition: name} and a list of one as well."""
    by = [{"Condition": "Yes"}, ["Yes"], "Yes"]
    resources = {f"Net{i}": vpc(Description={"Fn::If": [one, "right", "wrong"]}) for i, one in enumerate(by)}
    found = preview(ros, template(resources, Conditions={"Yes": {"Fn::Equals": [1, 1]}}))
    assert {one.properties["Description"] for one in found.values()} == {"right"}


def test_deletion_policy_by_parameter(ros: Ros) -> None:
    """A parameter may decide; what is neither Delete nor Retain is refused."""
    text = template({"Net": {**vpc(), "DeletionPolicy": {"Ref": "Keep"}}}, Parameters={"Keep": {"Type": "String"}})
    assert set(preview(ros, text, Keep="Retain")) == {"Net"}
    assert refused(ros, text, Keep="Snapshot")[0] == "StackValidationFailed"


def test_dynamic_references(ros: Ros) -> None:
    """A value from the vendor's parameter store passes every rule, and no stack is made from it here."""
    text = template({"Net": vpc(CidrBlock="{{resolve:oos:cidr:1}}", Tags="{{resolve:oos:tags:2}}")})
    assert preview(ros, text)["Net"].properties["Tags"] == "{{resolve:oos:tags:2}}"
    with pytest.raises(TeaException, match="resolve:oos:cidr"):
        ros.create(text)


def test_keys_that_nobody_knows_are_not_heeded(ros: Ros) -> None:
    """Published templates misspell DependsOn and deploy."""
    assert set(preview(ros, template({"Net": {**vpc(), "DepensOn": "Nobody", "Version": "default"}}))) == {"Net"}


def nested(**sections: Any) -> dict[str, Any]:
    """A nested stack whose template has names of its own."""
    body = {
        "ROSTemplateFormatVersion": "2015-09-01",
        "Parameters": {"Inner": {"Type": "String"}},
        "Conditions": {"Is": {"Fn::Equals": [{"Ref": "Inner"}, "x"]}},
        "Resources": {"Deep": vpc(VpcName={"Ref": "Inner"})},
        "Outputs": {"Id": {"Value": {"Ref": "Deep"}}},
        **sections,
    }
    properties = {"TemplateBody": body, "Parameters": {"Inner": {"Ref": "Name"}}}
    return {"Type": "ALIYUN::ROS::Stack", "Properties": properties}


def test_nested_template(ros: Ros) -> None:
    """It is checked as a template, its names are its own, and its outputs are attributes."""
    resources = {"Inside": nested(), "Net": vpc(Description={"Fn::GetAtt": ["Inside", "Outputs.Id"]})}
    found = preview(ros, template(resources))
    assert found["Inside"].required_by == ["Net"]
    assert found["Inside"].properties["Parameters"] == {"Inner": "demo"}


@pytest.mark.parametrize(
    ("inside", "attribute", "code"),
    [
        (nested(), "Outputs.Moon", "InvalidTemplateAttribute"),
        (nested(Parameters={}, Conditions={}, Resources={}, Outputs={}), "x", "InvalidTemplateAttribute"),
        (nested(Resources={"Deep": vpc(Colour=1)}), "Outputs.Id", "StackValidationFailed"),
        (nested(Outputs={"Id": {"Value": {"Ref": "Name"}}}), "Outputs.Id", "InvalidTemplateReference"),
        (nested(Locals={"L": {"Value": 1}}), "Outputs.Id", "StackValidationFailed"),
        (nested(Parameters={"Other": {"Type": "String"}}, Conditions={}, Resources={"Deep": vpc()}), "Outputs.Id",
         "UnknownUserParameter"),
    ],
)  # fmt: skip
def test_wrong_nested_templates(ros: Ros, inside: dict[str, Any], attribute: str, code: str) -> None:
    """Its mistakes are the template's mistakes."""
    resources = {"Inside": inside, "Net": vpc(Description={"Fn::GetAtt": ["Inside", attribute]})}
    assert refused(ros, template(resources))[0] == code


def test_output_of_another_stack(ros: Ros) -> None:
    """Fn::GetStackOutput asks a stack that is there; of one that is not, nothing comes."""
    first = ros.create(template(network(), Outputs={"Net": {"Value": {"Ref": "Vpc"}}}), name="first")
    ros.settled(first)
    resources = {
        "Net": vpc(
            Description={"Fn::GetStackOutput": ["first", "Net"]},
            VpcName={"Fn::Join": ["", ["a", {"Fn::GetStackOutput": ["nobody", "Net"]}]]},
        )
    }
    properties = preview(ros, template(resources))["Net"].properties
    assert properties["Description"].startswith("vpc-")
    assert properties["VpcName"] == "a"


def test_half_a_megabyte_in_two_seconds(ros: Ros) -> None:
    """A template near the limit of size is read, checked and previewed in time, as JSON and as YAML."""
    from garret.local_cloud.ros.template import parse_template

    filler = {"Fn::Join": ["", [{"Fn::Sub": "x-${Name}-${ALIYUN::Region} " + "y" * 40}] * 40]}
    rule = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "192.0.2.1/32", "Priority": 1}
    resources = {
        f"Group{i}": {
            "Type": "ALIYUN::ECS::SecurityGroup",
            "Properties": {"Description": filler, "SecurityGroupIngress": [rule] * 20},
        }
        for i in range(95)
    }
    text = template(resources)
    assert 450_000 < len(text) < 524_288
    started = time.process_time()  # of this process alone: others may be at work beside it
    assert len(preview(ros, text)) == 95
    assert time.process_time() - started < 4  # two calls, each with its own checks
    yaml_text = "# YAML\n" + json.dumps(json.loads(text), indent=0).replace("{\n", "{").replace("\n", " ")
    started = time.process_time()
    assert len(parse_template(yaml_text[:524_288]).resources) == 95
    assert time.process_time() - started < 4
