"""Parameters: types, defaults, rules, and that what is not to be echoed is not."""

from typing import Any

import pytest

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.parameters import resolve_parameters

GOOD: list[tuple[dict[str, Any], str | None, Any]] = [
    ({"Type": "String"}, "x", "x"),
    ({"Type": "String", "Default": "d"}, None, "d"),
    ({"Type": "String", "Default": "d"}, "", ""),
    ({"Type": "String", "Default": None, "MinLength": 3}, None, None),  # conditions compare it with null
    ({"Type": "String", "Default": "", "MinLength": 3}, None, ""),
    ({"Type": "Number", "Default": ""}, None, None),
    ({"Type": "String", "Required": False}, None, None),
    ({"Type": "Number", "Default": None}, "", None),
    ({"Type": "Boolean", "Required": False}, "", None),
    ({"Type": "String", "Required": {"Fn::Equals": ["New", "${Option}"]}}, None, None),
    ({"Type": "Boolean"}, "off", False),
    ({"Type": "Boolean", "Default": "yes"}, None, True),
    ({"Type": "CommaDelimitedList", "Default": ["a", 2]}, None, ["a", "2"]),
    ({"Type": "String", "MinLength": "2", "MaxLength": "3"}, "abc", "abc"),
    ({"Type": "Number"}, "7", 7),
    ({"Type": "Number"}, "7.5", 7.5),
    ({"Type": "Number", "Default": 3}, None, 3),
    ({"Type": "Number", "MinValue": 1, "MaxValue": 5}, "5", 5),
    ({"Type": "Number", "AllowedValues": [1, 2]}, "2", 2),
    ({"Type": "Boolean"}, "True", True),
    ({"Type": "Boolean", "Default": False}, None, False),
    ({"Type": "CommaDelimitedList"}, "a, b,c", ["a", "b", "c"]),
    ({"Type": "CommaDelimitedList", "AllowedValues": ["a", "b"]}, "b,a", ["b", "a"]),
    ({"Type": "CommaDelimitedList"}, "", []),
    ({"Type": "Json"}, '{"a": [1]}', {"a": [1]}),
    ({"Type": "Json", "Default": {"a": 1}}, None, {"a": 1}),
    ({"Type": "String", "AllowedPattern": "[a-z]+"}, "abc", "abc"),
    ({"Type": "String", "MinLength": 2, "MaxLength": 3}, "abc", "abc"),
]


@pytest.mark.parametrize(("definition", "passed", "expected"), GOOD, ids=range(len(GOOD)))
def test_value(definition: dict[str, Any], passed: str | None, expected: Any) -> None:
    """A value that keeps the rules arrives in its own type."""
    found = resolve_parameters({"P": definition}, {} if passed is None else {"P": passed})
    assert found["P"].value == expected
    assert type(found["P"].value) is type(expected)


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"Type": "Number"}, "seven", "no Number"),
    ({"Type": "Number", "MinValue": 1, "MaxValue": 5}, "6", "at most 5"),
    ({"Type": "Boolean"}, "maybe", "no Boolean"),
    ({"Type": "Json"}, "{", "no Json"),
    ({"Type": "String", "AllowedValues": ["a", "b"]}, "c", "not one of a, b"),
    ({"Type": "String", "AllowedPattern": "[a-z]+"}, "abC", "pattern"),
    ({"Type": "String", "MinLength": 2}, "a", "at least 2"),
    ({"Type": "String", "MaxLength": 2, "ConstraintDescription": {"en": "Two at most"}}, "abc", "Two at most"),
    ({"Type": "CommaDelimitedList", "AllowedValues": ["a"]}, "a,z", "not one of"),
]


@pytest.mark.parametrize(("definition", "passed", "text"), BAD, ids=range(len(BAD)))
def test_refusal(definition: dict[str, Any], passed: str, text: str) -> None:
    """A value that breaks a rule is refused with the parameter's name and the rule."""
    with pytest.raises(ApiError) as caught:
        resolve_parameters({"P": definition}, {"P": passed})
    assert caught.value.code == "StackValidationFailed"
    assert "Parameter P" in caught.value.message
    assert text in caught.value.message


@pytest.mark.parametrize(
    ("definition", "code", "text"),
    [
        ({}, "InvalidSchema", "Type"),
        ({"Type": "Colour"}, "InvalidSchema", "Colour"),
        ({"Type": "String", "Shade": 1}, "InvalidSchema", "Shade"),
        ({"Type": "String", "AllowedPattern": "["}, "InvalidSchema", "AllowedPattern"),
        ({"Type": "ALIYUN::OOS::SecretParameter::Value"}, "StackValidationFailed", "does not emulate"),
        ({"Type": "String", "MinLength": "few"}, "InvalidSchema", "MinLength"),
        ({"Type": "String", "NoEcho": "perhaps"}, "InvalidSchema", "NoEcho"),
        ({"Type": "String", "AllowedValues": "a"}, "InvalidSchema", "AllowedValues"),
        ({"Type": "Number", "Default": 9, "MaxValue": 5}, "StackValidationFailed", "at most 5"),
    ],
)
def test_definition_refused(definition: dict[str, Any], code: str, text: str) -> None:
    """A definition that is none is refused before any value is looked at."""
    with pytest.raises(ApiError) as caught:
        resolve_parameters({"P": definition}, {})
    assert (caught.value.code, text in caught.value.message) == (code, True)


def test_unknown_and_missing() -> None:
    """A parameter the template does not have, and one it has and nobody passed."""
    with pytest.raises(ApiError, match=r"UnknownUserParameter.*Extra.*Defined: P"):
        resolve_parameters({"P": {"Type": "String"}}, {"P": "x", "Extra": "y"})
    with pytest.raises(ApiError, match=r"UserParameterMissing.*P was not provided"):
        resolve_parameters({"P": {"Type": "String"}}, {})


def test_no_echo_is_not_told() -> None:
    """A NoEcho value shows neither in the reply nor in the refusal."""
    definition = {"P": {"Type": "String", "NoEcho": True, "MaxLength": 4}}
    assert resolve_parameters(definition, {"P": "sesa"})["P"].shown() == "******"
    with pytest.raises(ApiError) as caught:
        resolve_parameters(definition, {"P": "sesame-open"})
    assert "sesame" not in str(caught.value)
