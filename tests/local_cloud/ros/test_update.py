"""UpdateStack: in place, replaced, added, removed, refused, and taken back when something fails."""

from __future__ import annotations

import pytest
from Tea.exceptions import TeaException

from garret.local_cloud.faults import Fault
from tests.local_cloud.house import House, code_of, until
from tests.local_cloud.ros.changing import group, made, ports, switch, update, with_group
from tests.local_cloud.ros.stage import Ros, left_over, network, template, waiting

OUTPUTS = {"Group": {"Value": {"Ref": "Group"}}, "Switch": {"Value": {"Ref": "Switch"}}}


def physical(ros: Ros, stack_id: str) -> dict[str, str]:
    """Return the physical ids by name."""
    return {name: one.physical_resource_id for name, one in ros.resources(stack_id).items()}


def test_in_place(ros: Ros) -> None:
    """A rule that changes is changed in the group that is there; nothing else moves, and events tell it."""
    stack_id = made(ros, with_group(443, Outputs=OUTPUTS))
    before = physical(ros, stack_id)
    assert update(ros, stack_id, with_group(8443, Outputs=OUTPUTS)) == stack_id
    stack = ros.settled(stack_id)
    assert (stack.status, stack.status_reason) == ("UPDATE_COMPLETE", "Stack UPDATE completed successfully")
    assert physical(ros, stack_id) == before
    assert ports(ros, before["Group"]) == {"8443/8443"}
    assert ros.events(stack_id)[-4:] == [
        ("demo", "UPDATE_IN_PROGRESS"),
        ("Group", "UPDATE_IN_PROGRESS"),
        ("Group", "UPDATE_COMPLETE"),
        ("demo", "UPDATE_COMPLETE"),
    ]
    assert ros.resources(stack_id)["Vpc"].status == "CREATE_COMPLETE"
    assert "8443" in ros.ask("get_template", stack_id=stack_id).template_body


def test_added_and_removed(house: House, ros: Ros) -> None:
    """What is new in the template is made, what is gone from it goes, and outputs follow."""
    stack_id = made(ros, with_group(443, Outputs=OUTPUTS))
    resources = network(Other=switch("192.168.2.0/24"))
    update(ros, stack_id, template(resources, Outputs={"Other": {"Value": {"Ref": "Other"}}}))
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    assert set(physical(ros, stack_id)) == {"Vpc", "Switch", "Other"}
    assert ros.outputs(stack_id) == {"Other": physical(ros, stack_id)["Other"]}
    assert left_over(house) == {"vpc": 1, "vswitch": 2}
    assert ("Group", "DELETE_COMPLETE") in ros.events(stack_id)


def test_replaced(house: House, ros: Ros) -> None:
    """With ReplacementOption a switch gets a successor, then goes; what refers to it follows."""
    stack_id = made(ros, template(network(), Outputs={"Switch": OUTPUTS["Switch"]}))
    before = physical(ros, stack_id)
    resources = network(Switch=switch("192.168.9.0/24"))
    update(ros, stack_id, template(resources, Outputs={"Switch": OUTPUTS["Switch"]}), replacement_option="Enabled")
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    after = physical(ros, stack_id)
    assert (after["Vpc"], after["Switch"] != before["Switch"]) == (before["Vpc"], True)
    assert ros.outputs(stack_id)["Switch"] == after["Switch"]
    assert left_over(house) == {"vpc": 1, "vswitch": 1}
    switched = [status for name, status in ros.events(stack_id) if name == "Switch"]
    assert switched[2:] == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"]


def test_replacing_what_others_need(house: House, ros: Ros) -> None:
    """A new network takes everything in it along: each is made anew before the old ones go, innermost first."""
    stack_id = made(ros, with_group(443))
    before = physical(ros, stack_id)
    resources = network(Group=group(443))
    resources["Vpc"]["Properties"]["CidrBlock"] = "10.0.0.0/8"
    resources["Switch"]["Properties"]["CidrBlock"] = "10.1.0.0/16"
    update(ros, stack_id, template(resources), replacement_option="Enabled")
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    assert not set(physical(ros, stack_id).values()) & set(before.values())
    assert left_over(house) == {"vpc": 1, "vswitch": 1, "security_group": 1}
    gone = [name for name, status in ros.events(stack_id) if status == "DELETE_COMPLETE"]
    assert gone[-1] == "Vpc"


def test_replacement_must_be_asked_for(house: House, ros: Ros) -> None:
    """Without ReplacementOption a property that cannot be changed is refused by name, and nothing happens."""
    stack_id = made(ros, template(network()))
    with pytest.raises(TeaException, match=r"Resources.Switch.Properties.CidrBlock") as caught:
        update(ros, stack_id, template(network(Switch=switch("192.168.9.0/24"))))
    assert code_of(caught.value) == "NotSupported"
    assert ros.see(stack_id).status == "CREATE_COMPLETE"
    assert left_over(house) == {"vpc": 1, "vswitch": 1}


def test_no_change(ros: Ros) -> None:
    """The same template with the same parameters is NotSupported, unless it is only tried."""
    stack_id = made(ros, with_group(443))
    with pytest.raises(TeaException) as caught:
        update(ros, stack_id, with_group(443))
    assert code_of(caught.value) == "NotSupported"
    assert update(ros, stack_id, with_group(443), dry_run=True) == stack_id
    assert ros.see(stack_id).status == "CREATE_COMPLETE"


def test_dry_run_changes_nothing(ros: Ros) -> None:
    """DryRun checks and leaves everything as it is."""
    stack_id = made(ros, with_group(443))
    update(ros, stack_id, with_group(8443), dry_run=True)
    with pytest.raises(TeaException):
        update(ros, stack_id, template({"X": {"Type": "ALIYUN::ECS::VSwitch"}}), dry_run=True)
    assert ros.see(stack_id).status == "CREATE_COMPLETE"
    assert ports(ros, physical(ros, stack_id)["Group"]) == {"443/443"}


def test_same_token_updates_once(ros: Ros) -> None:
    """The same ClientToken with the same request starts one update; with another request it is refused."""
    stack_id = made(ros, with_group(443))
    for _ in range(2):
        assert update(ros, stack_id, with_group(8443), client_token="u-1") == stack_id
    ros.settled(stack_id)
    assert update(ros, stack_id, with_group(8443), client_token="u-1") == stack_id
    assert [one for one in ros.events(stack_id) if one[1] == "UPDATE_IN_PROGRESS" and one[0] == "demo"] == [
        ("demo", "UPDATE_IN_PROGRESS")
    ]
    with pytest.raises(TeaException) as caught:
        update(ros, stack_id, with_group(9443), client_token="u-1")
    assert code_of(caught.value) == "InvalidIdempotenceParameter"


def test_previous_parameters(ros: Ros) -> None:
    """UsePreviousParameters keeps what is not passed; without it defaults count again."""
    outputs = {"Name": {"Value": {"Ref": "Name"}}, "Note": {"Value": {"Ref": "Note"}}}
    note = {"Note": {"Type": "String", "Default": "none"}}
    resources = {"Handle": waiting()["Handle"]}
    text = template(resources, Outputs=outputs, Parameters=note)
    stack_id = made(ros, text, parameters={"Name": "mine", "Note": "one"})
    update(ros, stack_id, text, parameters={"Note": "two"}, use_previous_parameters=True)
    ros.settled(stack_id)
    assert ros.outputs(stack_id) == {"Name": "mine", "Note": "two"}
    update(ros, stack_id, text, parameters={"Note": "three"})
    ros.settled(stack_id)
    assert ros.outputs(stack_id) == {"Name": "demo", "Note": "three"}


def test_a_condition_that_flips(house: House, ros: Ros) -> None:
    """A parameter that makes a condition true makes its resource, and false takes it away."""
    resources = network(Other=switch("192.168.2.0/24", Condition="More"))
    size = {"Size": {"Type": "String", "Default": "small"}}
    text = template(resources, Conditions={"More": {"Fn::Equals": [{"Ref": "Size"}, "big"]}}, Parameters=size)
    stack_id = made(ros, text)
    for size_now, switches in (("big", 2), ("small", 1)):
        update(ros, stack_id, text, parameters={"Size": size_now})
        assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
        assert left_over(house) == {"vpc": 1, "vswitch": switches}


def test_count_that_changes(ros: Ros) -> None:
    """More copies are made beside those that are there, fewer take the last ones away."""
    words = {"Word": {"Type": "ALIYUN::RandomString", "Count": {"Ref": "Many"}, "Properties": {"length": 8}}}
    many = {"Many": {"Type": "Number", "Default": 1}}
    text = template(words, Parameters=many, Outputs={"All": {"Value": {"Ref": "Word"}}})
    stack_id = made(ros, text)
    first = physical(ros, stack_id)
    for count in (3, 2):
        update(ros, stack_id, text, parameters={"Many": str(count)})
        assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
        now = physical(ros, stack_id)
        assert set(now) == {f"Word[{index}]" for index in range(count)}
        assert now["Word[0]"] == first["Word[0]"]
        assert ros.outputs(stack_id)["All"] == [now[f"Word[{index}]"] for index in range(count)]


def test_failure_takes_everything_back(house: House, ros: Ros) -> None:
    """When a new resource fails, what was added, changed and replaced before it is as it was."""
    stack_id = made(ros, with_group(443, Outputs=OUTPUTS))
    before, outputs = physical(ros, stack_id), ros.outputs(stack_id)
    house.cloud.faults.add(
        Fault("CreateVSwitch", code="QuotaExceeded.VSwitch", status=400, match={"CidrBlock": "192.168.3.0/24"})
    )
    resources = network(
        Switch=switch("192.168.9.0/24"),
        Group=group(8443),
        Other=switch("192.168.2.0/24"),
        Last=switch("192.168.3.0/24", DependsOn=["Group", "Other", "Switch"]),
    )
    update(ros, stack_id, template(resources, Outputs=OUTPUTS), replacement_option="Enabled")
    stack = ros.settled(stack_id)
    assert stack.status == "ROLLBACK_COMPLETE"
    assert "QuotaExceeded.VSwitch" in stack.status_reason
    assert (stack.operation_info.action, stack.operation_info.code) == ("UPDATE", "QuotaExceeded.VSwitch")
    assert physical(ros, stack_id) == before
    assert ros.outputs(stack_id) == outputs
    assert ports(ros, before["Group"]) == {"443/443"}
    assert left_over(house) == {"vpc": 1, "vswitch": 1, "security_group": 1}
    statuses = [status for name, status in ros.events(stack_id) if name == "demo"]
    assert statuses[2:] == ["UPDATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]


def test_without_rollback_it_can_be_repeated(house: House, ros: Ros) -> None:
    """DisableRollback leaves UPDATE_FAILED; the same update again goes on, and what failed leaves nothing."""
    stack_id = made(ros, with_group(443))
    house.cloud.faults.add(Fault("RevokeSecurityGroup", code="InternalError", status=500))
    house.cloud.faults.add(Fault("CreateVSwitch", effect="lost", times=4))
    text = template(network(Group=group(8443), Other=switch("192.168.2.0/24", DependsOn="Group")))
    update(ros, stack_id, text, disable_rollback=True)
    assert ros.settled(stack_id).status == "UPDATE_FAILED"
    update(ros, stack_id, text, disable_rollback=True)
    assert ros.settled(stack_id).status == "UPDATE_FAILED"  # now the switch, whose answer was lost four times
    update(ros, stack_id, text, disable_rollback=True)
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE", ros.see(stack_id).status_reason
    assert ports(ros, physical(ros, stack_id)["Group"]) == {"8443/8443"}
    assert left_over(house) == {"vpc": 1, "vswitch": 2, "security_group": 1}


def test_a_left_over_that_stays_is_seen(house: House, ros: Ros) -> None:
    """When what is no more in the template cannot be deleted, the stack says so, lists it, and tries again."""
    stack_id = made(ros, template(network(Other=switch("192.168.2.0/24"))))
    house.cloud.faults.add(Fault("DeleteVSwitch", code="Forbidden.NoPermission", status=403))
    update(ros, stack_id, template(network()))
    stack = ros.settled(stack_id)
    assert stack.status == "UPDATE_FAILED"
    assert "Forbidden.NoPermission" in stack.status_reason
    assert ros.resources(stack_id)["Other"].status == "DELETE_FAILED"
    update(ros, stack_id, template(network()))
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    assert left_over(house) == {"vpc": 1, "vswitch": 1}
    assert "Other" not in ros.resources(stack_id)


def test_busy_and_unfit_stacks(ros: Ros) -> None:
    """A stack at work answers ActionInProgress, one that never was complete says what helps."""
    stack_id = ros.create(template(network(**waiting())))
    with pytest.raises(TeaException) as caught:
        update(ros, stack_id, template(network()))
    assert code_of(caught.value) == "ActionInProgress"
    until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id))
    ros.ask("signal_resource", stack_id=stack_id, logical_resource_id="Ready", status="FAILURE", unique_id="1")
    assert ros.settled(stack_id).status == "CREATE_ROLLBACK_COMPLETE"
    with pytest.raises(TeaException, match="DeleteStack"):
        update(ros, stack_id, template(network()))


REFUSED = [
    ({"stack_policy_body": "{}"}, "StackPolicyBody"),
    ({"stack_policy_during_update_body": "{}"}, "StackPolicyDuringUpdateBody"),
    ({"taint_resources": ["Vpc"]}, "TaintResources"),
    ({"template_url": "oss://a/b"}, "TemplateURL"),
]


def test_refused_by_name(ros: Ros) -> None:
    """What is not emulated of UpdateStack is refused by its name."""
    stack_id = made(ros, template(network()))
    for fields, name in REFUSED:
        with pytest.raises(TeaException, match=name):
            update(ros, stack_id, template(network(Other=switch("192.168.2.0/24"))), **fields)  # type: ignore[arg-type]


def test_delete_calls_off_an_update(house: House, ros: Ros) -> None:
    """DeleteStack in the middle of an update ends it and leaves nothing, not even what was put aside."""
    stack_id = made(ros, template(network()))
    text = template(network(Switch=switch("192.168.9.0/24"), **waiting(timeout=600)))
    update(ros, stack_id, text, replacement_option="Enabled")
    until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id) and len(house.store.find("vswitch")) == 2)
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    assert left_over(house) == {}
