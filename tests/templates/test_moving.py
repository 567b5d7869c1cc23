"""The stacks of a move: the same parts with other names, the old node's as they are, and room for a second VSwitch."""

from __future__ import annotations

import pytest

from garret.errors import SpecError
from garret.image_bootstrap.user_data import moved_user_data
from garret.templates.checks import check_template
from garret.templates.moving import beside, free_range, other_side, without_address
from garret.templates.render import parameters, render_template
from garret.templates.text import read_template
from tests.templates.test_render import ORDINARY, USER_DATA

MOVED = ORDINARY.model_copy(update={"vswitch_cidr": "192.168.0.0/24"})
BEFORE = parameters(ORDINARY, "cn-hangzhou-i", "m-old")
AFTER = parameters(MOVED, "cn-hangzhou-j", "m-copy")


def test_the_old_node_stays_as_it_is_beside_the_new_one() -> None:
    """What it takes from a parameter that changes is written out; all else refers as before. The checks pass."""
    old = render_template(ORDINARY, USER_DATA)
    new = render_template(MOVED, moved_user_data(USER_DATA), side="B")
    both = read_template(beside(new, old, "", BEFORE, AFTER))["Resources"]
    was = read_template(old)["Resources"]
    assert set(both) == set(was) | {"NodeB", "SubnetB", "ReadyB", "ReadyHandleB"}
    assert both["Node"]["Properties"]["ZoneId"] == both["Subnet"]["Properties"]["ZoneId"] == "cn-hangzhou-i"
    assert both["Node"]["Properties"]["ImageId"] == "m-old"
    assert both["Node"]["Properties"]["InstanceType"] == {"Ref": "InstanceType"}
    assert both["Node"]["Properties"]["UserData"] == was["Node"]["Properties"]["UserData"]
    assert both["NodeB"]["Properties"]["ZoneId"] == {"Ref": "ZoneId"}
    assert "NodeB" in str(both["AddressOnNode"])
    for text in (without_address(old), beside(new, old, "", BEFORE, AFTER), new):
        assert check_template(text) == []


def test_only_the_address_is_let_go() -> None:
    """And nothing waits for it any more."""
    old = render_template(ORDINARY, USER_DATA)
    left, was = read_template(without_address(old)), read_template(old)
    assert set(was["Resources"]) - set(left["Resources"]) == {"AddressOnNode"}
    assert "AddressOnNode" not in str(left["Resources"])
    assert left["Outputs"] == was["Outputs"]


def test_a_moved_node_is_told_whom_to_signal_and_nothing_else() -> None:
    """Its own configuration stands on its disk, with all that was changed since; told twice, it is the same."""
    text = "#cloud-config\nwrite_files:\n- {path: /var/lib/garret/node.json, content: '{}'}\n" + USER_DATA[27:]
    once = moved_user_data(text)
    assert "node.json" not in once
    assert "@@GARRET_SIGNAL@@" in once
    assert once.count("signalled.json") == 1
    assert moved_user_data(once) == once


def test_a_second_range_beside_the_first() -> None:
    """As large, in the same VPC; where there is no room that is said with another way."""
    assert free_range("192.168.0.0/16", "192.168.1.0/24") == "192.168.0.0/24"
    assert free_range("192.168.0.0/16", "192.168.0.0/24") == "192.168.1.0/24"
    with pytest.raises(SpecError, match="is all of"):
        free_range("192.168.0.0/24", "192.168.0.0/24")
    assert [other_side(side) for side in ("", "B")] == ["B", ""]
