"""ContinueCreateStack, CancelUpdateStack and CancelStackOperation: a stack that was stopped half-way."""

from __future__ import annotations

from typing import Any

import pytest
from Tea.exceptions import TeaException

from garret.local_cloud.faults import Fault
from tests.local_cloud.house import House, code_of, until
from tests.local_cloud.ros.changing import group, made, pairs, ports, switch, update, with_group
from tests.local_cloud.ros.stage import Ros, left_over, network, template, waiting


def half_made(house: House, ros: Ros, text: str) -> str:
    """Create a stack without rollback whose first switch fails, and return its id."""
    house.cloud.faults.add(Fault("CreateVSwitch", code="QuotaExceeded.VSwitch", status=400))
    stack_id = ros.create(text, disable_rollback=True)
    assert ros.settled(stack_id).status == "CREATE_FAILED"
    return stack_id


def go_on(ros: Ros, stack_id: str, **fields: Any) -> Any:
    """Call ContinueCreateStack and return the settled stack."""
    given = pairs("ContinueCreateStack", fields.pop("parameters", {}))
    reply = ros.ask("continue_create_stack", stack_id=stack_id, parameters=given, **fields)
    assert reply.stack_id == stack_id
    return ros.settled(stack_id)


def test_what_failed_is_made_anew(house: House, ros: Ros) -> None:
    """What is there stays as it is, what failed and what waited for it is made."""
    stack_id = half_made(house, ros, template(network(Group=group(443, DependsOn="Switch"))))
    vpc = ros.resources(stack_id)["Vpc"].physical_resource_id
    assert go_on(ros, stack_id).status == "CREATE_COMPLETE"
    assert ros.resources(stack_id)["Vpc"].physical_resource_id == vpc
    assert left_over(house) == {"vpc": 1, "vswitch": 1, "security_group": 1}
    update(ros, stack_id, template(network()))
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"


def test_another_template_for_what_failed(house: House, ros: Ros) -> None:
    """The template may change what failed and add resources; what is there must stay, unless it is named."""
    stack_id = half_made(house, ros, template(network()))
    changed = network(Switch=switch("192.168.9.0/24"), More=group(443))
    wider = network()
    wider["Vpc"]["Properties"]["CidrBlock"] = "192.168.0.0/17"
    for text, fields, part in (
        (template(wider), {}, "the resource Vpc is there"),
        (template(network(), Outputs={}), {}, "Outputs"),
        (template(network(), Parameters={"X": {"Type": "String", "Default": ""}}), {}, "Parameters"),
        (template(network()), {"parameters": {"Name": "other"}}, "Vpc.Properties.VpcName"),
    ):
        with pytest.raises(TeaException, match=part) as caught:
            go_on(ros, stack_id, template_body=text, **fields)
        assert code_of(caught.value) == "ContinueCreateStackValidationFailed"
    ros.ask("continue_create_stack", stack_id=stack_id, template_body=template(changed), dry_run=True)
    assert ros.see(stack_id).status == "CREATE_FAILED"
    assert go_on(ros, stack_id, template_body=template(changed)).status == "CREATE_COMPLETE"
    assert left_over(house) == {"vpc": 1, "vswitch": 1, "security_group": 1}


def test_named_resources_are_made_anew(house: House, ros: Ros) -> None:
    """A resource named in RecreatingResources is made anew with everything that needs it."""
    stack_id = half_made(house, ros, template(network(Group=group(443))))
    before = ros.resources(stack_id)
    with pytest.raises(TeaException) as caught:
        go_on(ros, stack_id, recreating_resources=["Moon"])
    assert code_of(caught.value) == "ResourceNotFound"
    stack = go_on(ros, stack_id, recreating_resources=["Vpc"], parameters={"Name": "other"})
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    after = ros.resources(stack_id)
    for name in ("Vpc", "Group"):
        assert after[name].physical_resource_id != before[name].physical_resource_id
    assert left_over(house) == {"vpc": 1, "vswitch": 1, "security_group": 1}


def test_what_failed_is_left_out(house: House, ros: Ros) -> None:
    """With Mode Ignore the stack is complete without what failed, and its template is that of what is there."""
    outputs = {"V": {"Value": {"Ref": "Vpc"}}, "S": {"Value": {"Ref": "Switch"}}}
    stack_id = half_made(house, ros, template(network(), Outputs=outputs))
    assert go_on(ros, stack_id, mode="Ignore").status == "CREATE_COMPLETE"
    assert set(ros.resources(stack_id)) == {"Vpc"}
    assert set(ros.outputs(stack_id)) == {"V"}
    assert "Switch" not in ros.ask("get_template", stack_id=stack_id).template_body
    assert left_over(house) == {"vpc": 1}


def test_only_failed_creations_go_on(ros: Ros) -> None:
    """A stack that is complete, or at work, cannot be continued."""
    stack_id = made(ros, template(network()))
    with pytest.raises(TeaException) as caught:
        go_on(ros, stack_id)
    assert code_of(caught.value) == "ContinueCreateStackValidationFailed"
    busy = ros.create(template(waiting()), name="busy")
    with pytest.raises(TeaException) as caught:
        go_on(ros, busy)
    assert code_of(caught.value) == "ActionInProgress"


@pytest.mark.parametrize(("disable", "status"), [(False, "ROLLBACK_COMPLETE"), (True, "UPDATE_FAILED")])
def test_cancelled_update(house: House, ros: Ros, disable: bool, status: str) -> None:
    """A cancelled update is taken back, unless it disabled that."""
    stack_id = made(ros, with_group(443))
    text = template(network(Group=group(8443), **waiting(timeout=600)))
    update(ros, stack_id, text, disable_rollback=disable)
    until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id))
    until(lambda: ("Group", "UPDATE_COMPLETE") in ros.events(stack_id))
    ros.ask("cancel_update_stack", stack_id=stack_id, cancel_type="Quick")
    stack = ros.settled(stack_id)
    assert stack.status == status
    assert "cancelled" in stack.status_reason
    expected = {"8443/8443"} if disable else {"443/443"}
    assert ports(ros, ros.resources(stack_id)["Group"].physical_resource_id) == expected


def test_a_safe_cancel_waits_for_what_is_at_work(house: House, ros: Ros) -> None:
    """Safe starts nothing more, and lets the condition that waits come to its end."""
    resources = {**waiting(timeout=600), **network()}
    resources["Vpc"]["DependsOn"] = "Ready"
    stack_id = ros.create(template(resources), disable_rollback=True)
    until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id))
    ros.ask("cancel_stack_operation", stack_id=stack_id, allowed_stack_operations=["CreateStack"])
    assert ros.see(stack_id).status == "CREATE_IN_PROGRESS"
    ros.ask("signal_resource", stack_id=stack_id, logical_resource_id="Ready", status="SUCCESS", unique_id="1")
    assert ros.settled(stack_id).status == "CREATE_FAILED"
    assert ros.resources(stack_id)["Ready"].status == "CREATE_COMPLETE"
    assert left_over(house) == {}
    assert go_on(ros, stack_id).status == "CREATE_COMPLETE"


def test_nothing_to_cancel(ros: Ros) -> None:
    """A stack that is not at work, or at other work, cannot be cancelled."""
    stack_id = made(ros, template(network()))
    with pytest.raises(TeaException, match="nothing of this kind"):
        ros.ask("cancel_update_stack", stack_id=stack_id)
    busy = ros.create(template(waiting()), name="busy")
    with pytest.raises(TeaException) as caught:
        ros.ask("cancel_update_stack", stack_id=busy)
    assert code_of(caught.value) == "ActionInProgress"


def test_warnings_alone_are_no_success(ros: Ros) -> None:
    """When every signal is a WARNING the stack fails, as the vendor says."""
    stack_id = ros.create(template(waiting()))
    until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id))
    ros.ask("signal_resource", stack_id=stack_id, logical_resource_id="Ready", status="WARNING", unique_id="1")
    assert ros.settled(stack_id).status == "CREATE_ROLLBACK_COMPLETE"
