"""The stack of a node that moves: the old node without its address, then both nodes, then the new one alone; pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import yaml

from garret.errors import SpecError
from garret.templates.render import PARTS
from garret.templates.text import read_template

ADDRESS = "AddressOnNode"
SIDES = ("", "B")
"""How the names of a node's own parts end: every second node has the other names, for two stand side by side."""


def other_side(side: str) -> str:
    """The names that the next node's parts have."""
    return SIDES[1 - SIDES.index(side)]


def without_address(text: str) -> str:
    """The template with the address bound to nothing: the cloud binds it to another machine only then."""
    template = read_template(text)
    del template["Resources"][ADDRESS]
    for resource in template["Resources"].values():
        _need_no_address(resource)
    return _written(template)


def beside(text: str, old: str, side: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """The new node's template with the parts of the old node, which ends in `side`, standing in it as they are.

    `before` and `after` are the values of the parameters: what the old node takes from one that differs is written
    out, so that nothing of it changes.
    """
    template, leaving = read_template(text), read_template(old)["Resources"]
    fixed = {name: value for name, value in before.items() if after.get(name) != value}
    for name in (part + side for part in PARTS.values()):
        if name in leaving:
            _need_no_address(leaving[name])
            template["Resources"][name] = _with_values(leaving[name], fixed)
    return _written(template)


def free_range(vpc: str, taken: str) -> str:
    """A range for another VSwitch beside one: as large, in the same VPC.

    Raises:
        SpecError: the VPC has no room for another.
    """
    whole, first = ipaddress.ip_network(vpc), ipaddress.ip_network(taken)
    for one in whole.subnets(new_prefix=first.prefixlen):
        if not one.overlaps(first):
            return str(one)
    reason = f"{taken} is all of {vpc}, and a node in another zone needs a range of its own in it"
    raise SpecError("vswitch_cidr", reason, "a second deployment in the other zone: garret deploy --name … --zone …")


def _need_no_address(resource: dict[str, Any]) -> None:
    needs = resource.get("DependsOn")
    if isinstance(needs, list) and ADDRESS in needs:
        resource["DependsOn"] = [one for one in needs if one != ADDRESS]


def _with_values(value: Any, fixed: Mapping[str, str]) -> Any:
    """The same with these parameters' values in place of what refers to them."""
    if isinstance(value, dict):
        if set(value) == {"Ref"} and value["Ref"] in fixed:
            return fixed[value["Ref"]]
        return {key: _with_values(one, fixed) for key, one in value.items()}
    return [_with_values(one, fixed) for one in value] if isinstance(value, list) else value


def _written(template: Mapping[str, Any]) -> str:
    return yaml.safe_dump(template, sort_keys=False, allow_unicode=True, width=10_000)
