"""Counts stay within ROS's limits, and a password parameter keeps the vendor's rule: else it fails half-way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from garret.templates.checks.finding import NODE_TYPES, Finding, Subject

ID = "limits"
RULE = ""
PARAMETERS, RESOURCES = 200, 200
PASSWORD = (8, 30)
_ASKED_AS = "ALIYUN::ECS::Instance::Password"


def check(subject: Subject) -> Iterator[Finding]:
    """Count parameters and resources; look at the parameters that are a node's password."""
    for section, most in (("Parameters", PARAMETERS), ("Resources", RESOURCES)):
        count = len(subject.section(section))
        if count > most:
            yield Finding(ID, section, f"has {count} entries; ROS takes {most}", "split the stack")
    for _, properties in subject.resources(*NODE_TYPES):
        value = properties.get("Password")
        name = value.get("Ref") if isinstance(value, Mapping) else None
        parameter = subject.section("Parameters").get(name) if isinstance(name, str) else None
        if not subject.own and isinstance(parameter, Mapping) and parameter.get("AssociationProperty") == _ASKED_AS:
            continue  # the console keeps the rule
        if isinstance(parameter, Mapping) and not _keeps_the_rule(
            parameter, re.search if subject.own else re.fullmatch
        ):
            problem = "is a node's password and does not keep the vendor's rule: 8 to 30 characters, no others than its"
            hint = "MinLength: 8, MaxLength: 30 and an AllowedPattern without spaces, quotes and backslashes"
            yield Finding(ID, f"Parameters.{name}", problem, hint)


def _keeps_the_rule(parameter: Mapping[str, Any], matches: Callable[[str, str], object]) -> bool:
    """Lengths by themselves or by the pattern, which must refuse what the cloud refuses."""
    pattern = parameter.get("AllowedPattern")
    if not isinstance(pattern, str):
        return False
    try:
        refuses = [matches(pattern, text) is None for text in ('Has"quote7x', "Has space 7x", "Has\\\\back7x")]
        short, long = matches(pattern, "Aa7bcde") is None, matches(pattern, "Aa7" * 11) is None
    except re.error:
        return False
    low, high = parameter.get("MinLength", 0), parameter.get("MaxLength", 1000)
    return all(refuses) and (short or int(low) >= PASSWORD[0]) and (long or int(high) <= PASSWORD[1])
