"""The template functions, one line per case: what goes in, what comes out, what is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.conditions import resolve_conditions
from garret.local_cloud.ros.functions import evaluate
from garret.local_cloud.ros.scope import UNKNOWN, NotYetKnownError, Scope

ATTRIBUTES = {("Node", "InstanceIds"): ["i-1", "i-2"], ("Eip", "EipAddress"): "192.0.2.7", ("Eip", "Port"): 443}
SCOPE = Scope(
    values={"Name": "demo", "Size": 3, "List": ["a", "b"], "Json": {"k": [1, 2]}, "Flag": True, "Empty": ""},
    pseudo={"Region": "cn-hangzhou", "StackName": "s", "StackId": "id-1"},
    mappings={"Images": {"cn-hangzhou": {"gpu": "m-1", "8": "eight"}}},
    conditions={"Yes": True, "No": False},
    resources=frozenset({"Node", "Eip"}),
    reference=lambda name: f"id-of-{name}",
    attribute=lambda name, attribute: ATTRIBUTES[name, attribute],
    zones=lambda region: [f"{region}-a", f"{region}-b"],
    now=lambda: datetime(2026, 11, 21, 7, 30, tzinfo=UTC),
    stack_output=lambda stack, name, region: f"{stack}.{name} in {region}",
)

GOOD: list[tuple[Any, Any]] = [
    ("plain", "plain"),
    ({"Fn::Join": "not a call", "other": 1}, {"Fn::Join": "not a call", "other": 1}),
    ({"Ref": "Name"}, "demo"),
    ({"Ref": "Size"}, 3),
    ({"Ref": "Node"}, "id-of-Node"),
    ({"Ref": "ALIYUN::Region"}, "cn-hangzhou"),
    ({"a": {"Ref": "ALIYUN::NoValue"}, "b": 1}, {"b": 1}),
    ([1, {"Ref": "ALIYUN::NoValue"}, 2], [1, 2]),
    ({"Fn::GetAtt": ["Eip", "EipAddress"]}, "192.0.2.7"),
    ({"Fn::GetAtt": "Eip.EipAddress"}, "192.0.2.7"),
    ({"Fn::Join": ["-", ["a", 1, True, None, {"Ref": "Name"}]]}, "a-1-true--demo"),
    ({"Fn::Join": ["", []]}, ""),
    ({"Fn::Join": [",", {"Ref": "List"}]}, "a,b"),
    ({"Fn::Sub": "x ${Name} ${Eip.EipAddress} ${ALIYUN::StackName} ${Eip}"}, "x demo 192.0.2.7 s id-of-Eip"),
    ({"Fn::Sub": "keep ${!Name} $Name ${!x.y}"}, "keep ${Name} $Name ${x.y}"),
    ({"Fn::Sub": ["${Port} ${Name}", {"Port": {"Fn::GetAtt": ["Eip", "Port"]}, "Name": "other"}]}, "443 other"),
    ({"Fn::Sub": "${Json}"}, '{"k": [1, 2]}'),
    ({"Fn::Select": [0, {"Fn::GetAtt": ["Node", "InstanceIds"]}]}, "i-1"),
    ({"Fn::Select": ["1", {"Ref": "List"}]}, "b"),
    ({"Fn::Select": [-1, ["a", "b", "c"]]}, "c"),
    ({"Fn::Select": [5, ["a"]]}, ""),
    ({"Fn::Select": [5, ["a"], "none"]}, "none"),
    ({"Fn::Select": ["k", {"Ref": "Json"}]}, [1, 2]),
    ({"Fn::Select": ["k", '{"k": "v"}']}, "v"),
    ({"Fn::Replace": [{"@@A@@": "1", "@@B@@": {"Ref": "Name"}}, "x @@A@@ @@B@@ @@A@@"]}, "x 1 demo 1"),
    ({"Fn::Replace": [{"a": "b", "b": "c"}, "ab"]}, "bc"),  # what was put in is not replaced again
    ({"Fn::Replace": [{"a": "1", "ab": "2"}, "ab a"]}, "2 1"),  # the longest first
    ({"Fn::Replace": [{}, "x"]}, "x"),
    ({"Fn::If": ["Yes", 1, {"Ref": "NoSuchName"}]}, 1),  # the branch not taken is not evaluated
    ({"Fn::If": ["No", 1, {"Ref": "Name"}]}, "demo"),
    ({"x": {"Fn::If": ["No", 1, {"Ref": "ALIYUN::NoValue"}]}}, {}),
    ({"Fn::FindInMap": ["Images", {"Ref": "ALIYUN::Region"}, "gpu"]}, "m-1"),
    ({"Fn::FindInMap": ["Images", "cn-hangzhou", 8]}, "eight"),
    ({"Fn::Split": [",", "a,b,,c"]}, ["a", "b", "", "c"]),
    ({"Fn::Base64Encode": "ä"}, "w6Q="),
    ({"Fn::Base64": "x"}, "eA=="),
    ({"Fn::Base64Decode": "w6Q="}, "ä"),
    ({"Fn::Str": 4}, "4"),
    ({"Fn::Str": {"Ref": "Json"}}, '{"k": [1, 2]}'),
    ({"Fn::Length": {"Ref": "List"}}, 2),
    ({"Fn::ListMerge": [["a"], {"Ref": "List"}]}, ["a", "a", "b"]),
    ({"Fn::Contains": [{"Ref": "List"}, "b"]}, True),
    ({"Fn::GetJsonValue": ["k", '{"k": 7}']}, "7"),  # other than a text comes as JSON
    ({"Fn::GetAZs": {"Ref": "ALIYUN::Region"}}, ["cn-hangzhou-a", "cn-hangzhou-b"]),
    ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "cn-hangzhou-a"),
    ({"Fn::Join": [",", None]}, ""),
    ({"Fn::Select": ["1:3", [1, 2, 3, 4, 5]]}, [2, 3]),
    ({"Fn::Select": ["::2", [1, 2, 3, 4, 5]]}, [1, 3, 5]),
    ({"Fn::Select": ["5:0:-2", [1, 2, 3, 4, 5]]}, [5, 3]),
    ({"Fn::Select": ["x", {"k": 1}, "none"]}, "none"),
    ({"Fn::Select": ["k", "", "none"]}, "none"),
    ({"Fn::Split": [";", None]}, []),
    ({"Fn::Replace": [{"a": "b"}, None]}, None),
    ({"Fn::Length": {"a": 1, "b": 2}}, 2),
    ({"Fn::Length": "length"}, 6),
    ({"Fn::Length": None}, 0),
    ({"Fn::ListMerge": [["a"], None, ["b"]]}, ["a", "b"]),
    ({"Fn::GetJsonValue": ["k", {"k": [1]}]}, "[1]"),
    ({"Fn::GetJsonValue": ["no", '{"k": 7}']}, None),
    ({"Fn::GetJsonValue": ["k", ""]}, None),
    (
        {"Fn::MergeMapToList": [{"a": [1, 2]}, {"b": [3, 4, 5]}]},
        [{"a": 1, "b": 3}, {"a": 2, "b": 4}, {"a": 2, "b": 5}],
    ),
    ({"Fn::MergeMapToList": [{"a": None}, {"b": []}]}, [{"a": ""}]),
    ({"Fn::MergeMap": [{"a": {"x": 1}, "b": 1}, {"a": {"y": 2}, "b": 2}]}, {"a": {"x": 1, "y": 2}, "b": 2}),
    ({"Fn::SelectMapList": ["k", [{"a": 1}, {"k": 2}, None, {"k": 3}]]}, [2, 3]),
    (
        {"Fn::MemberListToMap": ["Name", "Value", [".member.0.Name=cpu", ".member.0.Value=8=0", ".member.1.Name=x"]]},
        {"cpu": "8=0"},
    ),
    ({"Fn::Avg": [1, [1, 2, "6.0"]]}, 3.0),
    ({"Fn::Avg": [0, [1, 2]]}, 2),
    ({"Fn::Add": [1, 2.5]}, 3.5),
    ({"Fn::Add": [["a"], ["b"]]}, ["a", "b"]),
    ({"Fn::Add": [{"a": 1, "b": 1}, {"b": 2}]}, {"a": 1, "b": 2}),
    ({"Fn::Calculate": ["(2+3)/2*3-1", 1]}, 5),  # between whole numbers the rest is dropped
    ({"Fn::Calculate": ["(2.0+3)/2*3-1", 1]}, 6.5),
    ({"Fn::Calculate": ["({1}+3)/2*3-1", 1, [3, 5, 6]]}, 11),
    ({"Fn::Calculate": ["({0}+{1})%3", 0, ["5", {"Ref": "Size"}]]}, 2),
    ({"Fn::Max": [1.1, 2, 3]}, 3),
    ({"Fn::Min": [1.1, 2, 3]}, 1.1),
    ({"Fn::Max": []}, None),
    ({"Fn::Index": ["b", {"Ref": "List"}]}, 1),
    ({"Fn::Index": ["z", {"Ref": "List"}]}, None),
    ({"Fn::Any": [False, 0, "x"]}, True),
    ({"Fn::Contains": [[1, None], None]}, True),
    ({"Fn::EachMemberIn": [["a"], {"Ref": "List"}]}, True),
    ({"Fn::EachMemberIn": [["a", "z"], {"Ref": "List"}]}, False),
    ({"Fn::MatchPattern": ["[a-z]+", {"Ref": "Name"}]}, True),
    ({"Fn::MatchPattern": ["[a-c]+", {"Ref": "Name"}]}, False),
    ({"Fn::Indent": ["a\nb\n\nc", 1]}, "  a\n  b\n\n  c"),
    ({"Fn::Indent": ["a\nb", 2, 1]}, "  a\n  b"),
    ({"Fn::Indent": ["a\nb", 1, 4, False]}, "a\n    b"),
    (
        {"Fn::Cidr": ["192.168.0.0/24", 3, 5]},
        ["192.168.0.0/27", "192.168.0.32/27", "192.168.0.64/27"],
    ),
    ({"Fn::Jq": ["First", ".[0]", {"Ref": "List"}]}, "a"),
    ({"Fn::Jq": ["All", ".[]", {"Ref": "List"}]}, ["a", "b"]),
    ({"Fn::Jq": ["First", ".k[1]", '{"k": [1, 2]}']}, 2),
    ({"Fn::Jq": ["First", ".x", None]}, None),
    ({"Fn::TransformNamespace": ["Condition", "Module:", "IsNew"]}, "Module:IsNew"),
    ({"Fn::FormatTime": "%Y-%m-%d %H:%M"}, "2026-11-21 07:30"),
    ({"Fn::FormatTime": ["%Y-%m-%d %H:%M", "Asia/Shanghai"]}, "2026-11-21 15:30"),
    ({"Fn::GetStackOutput": ["other", "Id"]}, "other.Id in "),
    ({"Fn::GetStackOutput": ["other", "Id", "cn-beijing"]}, "other.Id in cn-beijing"),
    ({"Fn::GetStackOutput": ["other", None]}, None),
    ({"Ref": {"Fn::Join": ["", ["Na", "me"]]}}, "demo"),
    ({"Fn::Sub": ["${ Name } ${x}", {"x": [1]}]}, "demo [1]"),
    ({"Fn::If": [["Yes"], 1, 2]}, 1),
]


@pytest.mark.parametrize(("value", "expected"), GOOD, ids=range(len(GOOD)))
def test_value(value: Any, expected: Any) -> None:
    """Every function gives what the vendor's page promises."""
    assert evaluate(value, SCOPE, "here") == expected


BAD: list[tuple[Any, str, str]] = [
    ({"Fn::Levitate": 1}, "StackValidationFailed", "Fn::Levitate"),
    ({"Fn::Jq": ["Second", ".", {}]}, "StackValidationFailed", "Fn::Jq"),
    ({"Ref": "Nobody"}, "InvalidTemplateReference", "Nobody"),
    ({"Ref": ["Name"]}, "StackValidationFailed", "name of a parameter"),
    ({"Ref": "ALIYUN::Moon"}, "InvalidTemplateReference", "ALIYUN::Moon"),
    ({"Fn::GetAtt": ["Nobody", "X"]}, "InvalidTemplateReference", "Nobody"),
    ({"Fn::GetAtt": ["Eip"]}, "StackValidationFailed", "[resource, attribute]"),
    ({"Fn::Sub": "${Nobody}"}, "InvalidTemplateReference", "Nobody"),
    ({"Fn::Join": ["a", "b"]}, "StackValidationFailed", "no list"),
    ({"Fn::Join": [",", [object()]]}, "StackValidationFailed", "Fn::Join"),
    ({"Fn::Select": ["a:b", ["x"]]}, "StackValidationFailed", "a:b"),
    ({"Fn::Select": [0, 5]}, "StackValidationFailed", "neither"),
    ({"Fn::Replace": [{"": "x"}, "y"]}, "StackValidationFailed", "empty text"),
    ({"Fn::If": ["Maybe", 1, 2]}, "InvalidTemplateReference", "Maybe"),
    ({"Fn::If": ["Yes", 1]}, "StackValidationFailed", "value if false"),
    ({"Fn::Equals": [1, 1]}, "StackValidationFailed", "Conditions only"),
    ({"Fn::FindInMap": ["Images", "cn-mars", "gpu"]}, "StackValidationFailed", "cn-mars"),
    ({"Fn::Base64Decode": "@"}, "StackValidationFailed", "Base64"),
    ({"Fn::Length": 3}, "StackValidationFailed", "a list"),
    ({"Fn::Join": [",", [["a"]]]}, "StackValidationFailed", "no list of texts"),
    ({"Fn::Select": ["1:2:0", ["x"]]}, "StackValidationFailed", "1:2:0"),
    ({"Fn::Select": ["z", {"k": 1}, None, "no such key here"]}, "StackValidationFailed", "no such key here"),
    ({"Fn::Select": ["k", "text"]}, "StackValidationFailed", "JSON"),
    ({"Fn::Split": ["", "a"]}, "StackValidationFailed", "not empty"),
    ({"Fn::ListMerge": [["a"], "b"]}, "StackValidationFailed", "list of lists"),
    ({"Fn::GetJsonValue": ["k", "[1]"]}, "StackValidationFailed", "JSON text of a map"),
    ({"Fn::MergeMapToList": [{"a": [1], "b": [2]}]}, "StackValidationFailed", "one key"),
    ({"Fn::MergeMap": [{"a": 1}, 2]}, "StackValidationFailed", "[map, map]"),
    ({"Fn::SelectMapList": ["k", ["x"]]}, "StackValidationFailed", "list of maps"),
    ({"Fn::MemberListToMap": ["Name", "Value", ["x"]]}, "StackValidationFailed", ".member.N"),
    ({"Fn::Avg": [1, []]}, "StackValidationFailed", "list of numbers"),
    ({"Fn::Add": [1, "2"]}, "StackValidationFailed", "all of one kind"),
    ({"Fn::Add": [1]}, "StackValidationFailed", "two or more"),
    ({"Fn::Calculate": ["__import__", 0]}, "StackValidationFailed", "parentheses"),
    ({"Fn::Calculate": ["1/0", 0]}, "StackValidationFailed", "can be calculated"),
    ({"Fn::Calculate": ["2**99", 0]}, "StackValidationFailed", "parentheses"),
    ({"Fn::Calculate": ["{3}", 0, [1]]}, "StackValidationFailed", "can be calculated"),
    ({"Fn::Calculate": ["{0.real}", 0, [1]]}, "StackValidationFailed", "parentheses"),
    ({"Fn::Max": ["1", 2]}, "StackValidationFailed", "list of numbers"),
    ({"Fn::EachMemberIn": ["a", ["a"]]}, "StackValidationFailed", "[list, list]"),
    ({"Fn::MatchPattern": ["(", "a"]}, "StackValidationFailed", "cannot be used"),
    ({"Fn::Indent": ["a", 21]}, "StackValidationFailed", "0 to 20"),
    ({"Fn::Cidr": ["192.168.0.0/24", 9, 5]}, "StackValidationFailed", "no room"),
    ({"Fn::Cidr": ["fe80::/64", 1, 5]}, "StackValidationFailed", "no IPv4 block"),
    ({"Fn::Jq": ["First", "reduce . as $x (0; 1)", {}]}, "StackValidationFailed", "reduce"),
    ({"Fn::FormatTime": ["%Y", "Moon/Base"]}, "StackValidationFailed", "Moon/Base"),
    ({"Fn::TransformNamespace": ["DependsOn", "M:", {"Lookup": {}}]}, "StackValidationFailed", "DependsOn"),
    ({"Fn::MarketplaceImage": "code"}, "StackValidationFailed", "MarketplaceImage"),
    ({"Fn::Sub": "${}"}, "StackValidationFailed", "holds none"),
    ({"Ref": "ALIYUN::Index"}, "InvalidTemplateReference", "ALIYUN::Index"),
]


@pytest.mark.parametrize(("value", "code", "text"), BAD, ids=range(len(BAD)))
def test_refusal(value: Any, code: str, text: str) -> None:
    """What cannot be evaluated is refused with the vendor's code, the place and the name of the mistake."""
    with pytest.raises(ApiError) as caught:
        evaluate({"p": value}, SCOPE, "Resources.X.Properties")
    assert caught.value.code == code
    assert text in caught.value.message
    assert "Resources.X.Properties.p" in caught.value.message


def test_unknown_spreads_only_to_what_uses_it() -> None:
    """In a preview an attribute nobody knows yet makes its own property unknown and leaves the others alone."""
    scope = Scope(values={"Name": "demo"}, resources=frozenset({"Vpc"}), partial=True)
    value = {"a": {"Fn::Join": ["/", [{"Ref": "Vpc"}, "x"]]}, "b": {"Fn::Sub": "${Name}"}, "c": [{"Ref": "Vpc"}, 1]}
    assert evaluate(value, scope, "here") == {"a": UNKNOWN, "b": "demo", "c": [UNKNOWN, 1]}


def test_unknown_is_an_error_when_it_is_needed() -> None:
    """Outside a preview the same attribute cannot pass for a value."""
    with pytest.raises(NotYetKnownError):
        evaluate({"a": {"Ref": "Vpc"}}, Scope(resources=frozenset({"Vpc"})), "here")


def test_conditions_in_any_order() -> None:
    """Conditions may name each other before they are defined; And, Or, Not and Equals nest."""
    definitions = {
        "Both": {"Fn::And": ["IsDemo", {"Fn::Not": ["Big"]}]},
        "Either": {"Fn::Or": ["Big", "IsDemo"]},
        "IsDemo": {"Fn::Equals": [{"Ref": "Name"}, "demo"]},
        "Big": {"Fn::Equals": [{"Ref": "Size"}, 4]},
        "On": {"Fn::Equals": [True, {"Ref": "Flag"}]},
        "NotOne": {"Fn::Equals": [{"Ref": "Flag"}, 1]},
    }
    assert resolve_conditions(definitions, SCOPE) == {
        "Both": True, "Either": True, "IsDemo": True, "Big": False, "On": True, "NotOne": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("definitions", "code"),
    [
        ({"A": {"Fn::Not": ["B"]}, "B": {"Fn::Not": ["A"]}}, "CircularDependency"),
        ({"A": {"Fn::Equals": [{"Fn::GetAtt": ["Eip", "Port"]}, 1]}}, "StackValidationFailed"),
        ({"A": {"Fn::Equals": [{"Ref": "Eip"}, 1]}}, "InvalidTemplateReference"),
        ({"A": {"Fn::And": ["A1"]}}, "StackValidationFailed"),
        ({"A": "text"}, "StackValidationFailed"),
        ({"A": {"Fn::Not": ["Gone"]}}, "InvalidTemplateReference"),
    ],
)
def test_conditions_refused(definitions: dict[str, Any], code: str) -> None:
    """A circle of conditions, a resource inside one, and what is no condition are refused."""
    with pytest.raises(ApiError) as caught:
        resolve_conditions(definitions, SCOPE)
    assert caught.value.code == code
