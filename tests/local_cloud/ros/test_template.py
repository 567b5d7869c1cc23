"""Template text: what is read, and where a mistake is."""

import json

import pytest

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.graph import check_circles, dependencies, ready, reverse
from garret.local_cloud.ros.plan import check_template
from garret.local_cloud.ros.template import parse_template

HEAD = "ROSTemplateFormatVersion: '2015-09-01'\n"
VPC = "Resources:\n  Vpc:\n    Type: ALIYUN::ECS::VPC\n"


def test_yaml_and_json_are_the_same() -> None:
    """YAML with short tags and JSON with long names make the same template."""
    text = HEAD + VPC + "  Net:\n    Type: ALIYUN::ECS::VSwitch\n    Properties:\n      VpcId: !Ref Vpc\n"
    text += "      ZoneId: !GetAtt Vpc.VpcId\n      CidrBlock: !Join ['', ['10.0.0.0', /24]]\n"
    properties = {
        "VpcId": {"Ref": "Vpc"},
        "ZoneId": {"Fn::GetAtt": ["Vpc", "VpcId"]},
        "CidrBlock": {"Fn::Join": ["", ["10.0.0.0", "/24"]]},
    }
    both = {"Vpc": {"Type": "ALIYUN::ECS::VPC"}, "Net": {"Type": "ALIYUN::ECS::VSwitch", "Properties": properties}}
    other = json.dumps({"ROSTemplateFormatVersion": "2015-09-01", "Resources": both})
    assert parse_template(text).resources == parse_template(other).resources


def test_version_without_quotes() -> None:
    """2015-09-01 without quotes stays a text."""
    assert parse_template("ROSTemplateFormatVersion: 2015-09-01\n" + VPC).resources["Vpc"].type == "ALIYUN::ECS::VPC"


DEEP = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


MERGES = "\n".join(
    f"b{i}: &b{i} {{<<: [*{f'b{i - 1}' if i else 'a'}, *{f'b{i - 1}' if i else 'a'}]}}" for i in range(40)
)


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("", "InvalidTemplate", "0 bytes"),
        ("x" * 524_289, "InvalidTemplate", "524289 bytes"),
        ("a: [", "InvalidTemplate", "line"),
        ("- a", "InvalidTemplate", "must be a map"),
        ("[" * 5000, "InvalidTemplate", "nested deeper"),
        (DEEP, "InvalidTemplate", "aliases"),
        ("? [a]\n: b", "InvalidTemplate", "plain name"),
        (VPC, "InvalidTemplateVersion", "None"),
        ("ROSTemplateFormatVersion: '2010-09-09'\n" + VPC, "InvalidTemplateVersion", "2010-09-09"),
        (HEAD + "Resource: {}\n" + VPC, "InvalidTemplateSection", "Resource"),
        (HEAD + "Transform: Aliyun::Terraform-v1.5\n" + VPC, "StackValidationFailed", "Transform"),
        (HEAD + "Resources: []\n", "InvalidSchema", "Resources"),
        (HEAD + "Resources:\n  Vpc: 5\n", "InvalidSchema", "Resources.Vpc"),
        (HEAD + "Resources:\n  Vpc: {}\n", "InvalidSchema", "no Type"),
        (HEAD + VPC + "    Properties: []\n  Vpc: 1\n", "InvalidSchema", "Resources.Vpc"),  # the later one counts
        (HEAD + VPC + "    DependsOn: {a: b}\n", "InvalidTemplatePropertyType", "Vpc DependsOn"),
        (HEAD + VPC + "    UpdatePolicy: now\n", "InvalidTemplatePropertyType", "Vpc UpdatePolicy"),
        (HEAD + VPC + "Mappings: {A: [1]}\n", "InvalidSchema", "Mappings.A"),
        (HEAD + VPC + "Rules: {A: {Assertions: []}}\n", "InvalidSchema", "Rules.A.Assertions"),
        (HEAD + VPC + "Locals: {A: {Type: DATASOURCE::VPC::Vpcs}}\n", "StackValidationFailed", "DATASOURCE::VPC::Vpcs"),
        (HEAD + VPC + "Locals: {A: {Type: Macro}}\n", "InvalidSchema", "Locals.A"),
        ("a: !!binary aGk=", "InvalidTemplate", "bytes"),
        ("a: &a {x: 1}\n" + MERGES, "InvalidTemplate", "aliases"),
        ("a: &a [*a]", "InvalidTemplate", "aliases"),
        ("a: " + "1:" * 200_000 + "1", "InvalidTemplate", "more than 4300 characters"),
        ('{"a": ' + "9" * 9000 + "}", "InvalidTemplate", "4300"),
        ("".join(" " * level + "a:\n" for level in range(200)), "InvalidTemplate", "nested deeper"),
        ("{" * 200 + "}" * 200, "InvalidTemplate", "nested deeper"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "InvalidTemplate", "nested deeper"),
        (HEAD + VPC + "    Properties: [1]\n", "InvalidTemplatePropertyType", "Vpc Properties"),
        (HEAD + VPC + "    DeletionPolicy: Never\n", "InvalidSchema", "DeletionPolicy"),
        (HEAD + VPC + "Outputs:\n  O: {Description: x}\n", "InvalidSchema", "Outputs.O"),
    ],
)
def test_refused_text(text: str, code: str, part: str) -> None:
    """What is no template is refused with the vendor's code and the place."""
    with pytest.raises(ApiError) as caught:
        parse_template(text)
    assert caught.value.code == code
    assert part in caught.value.message


@pytest.mark.parametrize(
    ("more", "code", "part"),
    [
        ("  X:\n    Type: ALIYUN::FC::Function\n", "StackValidationFailed", "docs/local-cloud-coverage.md"),
        ("    DependsOn: Moon\n", "InvalidTemplateReference", "Moon"),
        ("    Condition: Moon\n", "InvalidTemplateReference", "Moon"),
        ("    Properties: {CidrBlock: {Ref: Moon}}\n", "InvalidTemplateReference", "Moon"),
        ("    Properties: {CidrBlock: {'Fn::Sub': 'a ${Moon.X}'}}\n", "InvalidTemplateReference", "Moon"),
        ("    Properties: {CidrBlock: {'Fn::Levitate': 1}}\n", "StackValidationFailed", "Fn::Levitate"),
        ("Outputs: {O: {Value: {'Fn::GetAtt': [Vpc, Moon]}}}\n", "InvalidTemplateAttribute", "VpcId"),
        ("    DependsOn: Vpc\n", "CircularDependency", "Vpc -> Vpc"),
    ],
)
def test_refused_meaning(more: str, code: str, part: str) -> None:
    """Names, types, functions and attributes that do not exist are refused without any parameter."""
    with pytest.raises(ApiError) as caught:
        check_template(parse_template(HEAD + VPC + more))
    assert caught.value.code == code
    assert part in caught.value.message


JUNK = [
    *({"Ref": None}, {"Ref": ["a"]}, {"Fn::GetAtt": []}, {"Fn::GetAtt": [None, None]}, {"Fn::GetAtt": "a"}),
    *({"Fn::Sub": []}, {"Fn::Sub": ["${a}", {}]}, {"Fn::Sub": ["${a}", {"Ref": "Vpc"}]}, {"Fn::If": [None, 1, 2]}),
    *({"Fn::If": [[], 1, 2]}, {"Fn::If": [{}, 1, 2]}, {"Fn::Join": None}, {"Fn::Select": [{}, [1]]}),
    *({"Fn::FindInMap": [[], {}, None]}, {"Fn::Cidr": [[], {}, None]}, {"Fn::Calculate": [[], None]}),
    *({"Fn::Calculate": ["{", 1]}, {"Fn::Avg": [0, [10**400]]}, {"Fn::And": [1, 2]}, {"Fn::GetStackOutput": [[], {}]}),
    *({"Fn::MemberListToMap": [[], {}, ["a=b"]]}, {"Fn::GetAtt": ["Vpc", {"Ref": "ALIYUN::NoValue"}]}, [], {}, 10**400),
    *({"a": 1}, [{}]),
]


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
@pytest.mark.parametrize("place", ["properties", "property", "nested", "condition", "count", "output", "depends"])
def test_junk_is_refused_and_breaks_nothing(junk: object, place: str) -> None:
    """Whatever stands wherever: the template passes or is refused, in the vendor's words."""
    vpc: dict[str, object] = {"Type": "ALIYUN::ECS::VPC"}
    document: dict[str, object] = {"ROSTemplateFormatVersion": "2015-09-01", "Resources": {"Vpc": vpc}}
    if place == "properties":
        vpc["Properties"] = junk
    elif place in ("property", "nested"):
        vpc["Properties"] = {"Description": junk} if place == "property" else {"Tags": [{"Key": "k", "Value": junk}]}
    elif place == "condition":
        document["Conditions"] = {"Is": {"Fn::Equals": [junk, 1]}}
    elif place == "output":
        document["Outputs"] = {"O": {"Value": junk}}
    else:
        vpc["Count" if place == "count" else "DependsOn"] = junk
    codes = {"", "StackValidationFailed", "InvalidSchema", "InvalidTemplateReference", "InvalidTemplateAttribute"}
    assert _code(document) in codes | {"InvalidTemplatePropertyType"}


def _code(document: object) -> str:
    """The code with which a template is refused, or the empty string."""
    try:
        check_template(parse_template(json.dumps(document)))
    except ApiError as problem:
        return problem.code
    return ""


def _chain() -> str:
    text = HEAD + "Resources:\n"
    for name, needs in (("A", ""), ("B", "A"), ("C", "A"), ("D", "B")):
        text += (
            f"  {name}:\n    Type: ALIYUN::ECS::VPC\n    Properties: {{Description: {{'Fn::Sub': 'x ${{{needs}}}'}}}}\n"
        )
    return text.replace("x ${}", "x") + "    DependsOn: [C]\n"


def test_order() -> None:
    """What waits for nothing starts first, side by side where nothing forbids it; deleting goes the other way."""
    graph = dependencies(parse_template(_chain()))
    assert graph == {"A": frozenset(), "B": frozenset("A"), "C": frozenset("A"), "D": frozenset("BC")}
    assert ready(graph, set(), set()) == ["A"]
    assert ready(graph, {"A"}, {"A"}) == ["B", "C"]
    assert ready(graph, {"A", "B"}, {"A", "B", "C"}) == []
    assert ready(reverse(graph), set(), set()) == ["D"]


def test_circle_names_its_members() -> None:
    """A circle is told in order, without those who only lead to it."""
    with pytest.raises(ApiError) as caught:
        check_circles({"X": frozenset("A"), "A": frozenset("B"), "B": frozenset("C"), "C": frozenset("A")})
    assert caught.value.code == "CircularDependency"
    assert "A -> B -> C -> A" in caught.value.message


def test_condition_decides_what_depends() -> None:
    """A resource that is named only in the branch not taken is not waited for."""
    text = HEAD + VPC + "  Two:\n    Type: ALIYUN::ECS::VPC\n    Properties:\n"
    text += "      Description: {'Fn::If': [New, {Ref: Vpc}, none]}\nConditions: {New: {'Fn::Equals': [1, 1]}}\n"
    template = parse_template(text)
    assert dependencies(template, {"New": False})["Two"] == frozenset()
    assert dependencies(template, {"New": True})["Two"] == frozenset({"Vpc"})
