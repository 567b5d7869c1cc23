"""Change sets: seen before anything happens, carried out once, refused when the stack has moved on."""

from __future__ import annotations

from typing import Any

import pytest
from Tea.exceptions import TeaException

from garret.local_cloud.faults import Fault
from tests.local_cloud.house import House, code_of, until
from tests.local_cloud.ros.changing import group, made, pairs, ports, switch, update, with_group
from tests.local_cloud.ros.stage import Ros, left_over, network, template


def change_set(ros: Ros, text: str, **fields: Any) -> Any:
    """Create a change set, wait until it is compared and return GetChangeSet's body."""
    given = pairs("CreateChangeSet", fields.pop("parameters", {}))
    fields = {"change_set_name": "next", "template_body": text, "parameters": given, **fields}
    id = ros.ask("create_change_set", **fields).change_set_id
    until(lambda: ros.ask("get_change_set", change_set_id=id).status != "CREATE_IN_PROGRESS")
    return ros.ask("get_change_set", change_set_id=id, show_template=True)


def rows(found: Any) -> dict[str, dict[str, Any]]:
    """Return the changes by resource."""
    assert all(one["Type"] == "Resource" for one in found.changes)
    return {one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"] for one in found.changes}


def execute(ros: Ros, found: Any, **fields: Any) -> None:
    """Call ExecuteChangeSet."""
    ros.ask("execute_change_set", change_set_id=found.change_set_id, **fields)


def test_changes_in_the_vendors_shape(ros: Ros) -> None:
    """An addition, a change in place, a replacement, what follows from it, and a removal, each with its reasons."""
    stack_id = made(ros, template(network(Group=group(443), Gone=switch("192.168.7.0/24"))))
    resources = network(Group=group(8443), New=switch("192.168.8.0/24"))
    resources["Vpc"]["Properties"]["CidrBlock"] = "192.168.0.0/17"
    found = change_set(ros, template(resources), stack_id=stack_id, replacement_option="Enabled")
    assert (found.status, found.execution_status, found.change_set_type) == ("CREATE_COMPLETE", "AVAILABLE", "UPDATE")
    changes = rows(found)
    physical = {name: one.physical_resource_id for name, one in ros.resources(stack_id).items()}
    assert changes["Vpc"] == {
        "Action": "Modify",
        "LogicalResourceId": "Vpc",
        "PhysicalResourceId": physical["Vpc"],
        "ResourceType": "ALIYUN::ECS::VPC",
        "Replacement": "True",
        "Scope": ["Properties"],
        "Details": [
            {
                "Target": {"Attribute": "Properties", "Name": "CidrBlock", "RequiresRecreation": "Always"},
                "ChangeSource": "DirectModification",
                "Evaluation": "Static",
            }
        ],
    }
    follows = changes["Switch"]["Details"][0]
    assert (changes["Switch"]["Replacement"], follows["Target"]["RequiresRecreation"]) == (
        "Conditional", "Conditionally",
    )  # fmt: skip
    assert (follows["ChangeSource"], follows["CausingEntity"], follows["Evaluation"]) == (
        "ResourceReference", "Vpc", "Dynamic",
    )  # fmt: skip
    assert changes["New"] == {
        "Action": "Add", "LogicalResourceId": "New", "ResourceType": "ALIYUN::ECS::VSwitch", "Scope": [], "Details": [],
    }  # fmt: skip
    assert (changes["Gone"]["Action"], changes["Gone"]["PhysicalResourceId"]) == ("Remove", physical["Gone"])
    assert ros.see(stack_id).status == "CREATE_COMPLETE"


def test_a_parameter_is_named_as_the_cause(ros: Ros) -> None:
    """A property that follows a parameter says which, and that it is changed in place."""
    port = {"Port": {"Type": "String", "Default": "443/443"}}
    resources = network(Group=group(1))
    resources["Group"]["Properties"]["SecurityGroupIngress"][0]["PortRange"] = {"Ref": "Port"}
    text = template(resources, Parameters=port)
    stack_id = made(ros, text)
    found = change_set(ros, text, stack_id=stack_id, parameters={"Port": "8443/8443"})
    (change,) = rows(found).values()
    assert (change["LogicalResourceId"], change["Replacement"]) == ("Group", "False")
    assert (change["Details"][0]["ChangeSource"], change["Details"][0]["CausingEntity"]) == (
        "ParameterReference", "Port",
    )  # fmt: skip
    assert {one.parameter_key: one.parameter_value for one in found.parameters}["Port"] == "8443/8443"
    execute(ros, found)
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    assert ports(ros, ros.resources(stack_id)["Group"].physical_resource_id) == {"8443/8443"}


def test_carried_out_once(ros: Ros) -> None:
    """Executing the set updates the stack; the same token again is the same call, another call is refused."""
    stack_id = made(ros, with_group(443))
    found = change_set(ros, with_group(8443), stack_id=stack_id)
    execute(ros, found, client_token="e-1")
    execute(ros, found, client_token="e-1")
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    assert ros.ask("get_change_set", change_set_id=found.change_set_id).execution_status == "EXECUTE_COMPLETE"
    with pytest.raises(TeaException, match="EXECUTE_COMPLETE"):
        execute(ros, found)


def test_one_that_fails(house: House, ros: Ros) -> None:
    """A set whose update was rolled back ends as EXECUTE_FAILED."""
    stack_id = made(ros, template(network()))
    house.cloud.faults.add(Fault("CreateVSwitch", code="QuotaExceeded.VSwitch", status=400))
    found = change_set(ros, template(network(Other=switch("192.168.2.0/24"))), stack_id=stack_id)
    execute(ros, found)
    assert ros.settled(stack_id).status == "ROLLBACK_COMPLETE"
    assert ros.ask("get_change_set", change_set_id=found.change_set_id).execution_status == "EXECUTE_FAILED"


def test_stale_set_is_refused(ros: Ros) -> None:
    """After the stack was updated in another way the set is OBSOLETE and does nothing."""
    stack_id = made(ros, with_group(443))
    found = change_set(ros, with_group(8443), stack_id=stack_id)
    update(ros, stack_id, with_group(9443))
    with pytest.raises(TeaException):
        execute(ros, found)
    ros.settled(stack_id)
    assert ros.ask("get_change_set", change_set_id=found.change_set_id).execution_status == "OBSOLETE"
    with pytest.raises(TeaException, match="make a new one"):
        execute(ros, found)
    assert ports(ros, ros.resources(stack_id)["Group"].physical_resource_id) == {"9443/9443"}


def test_nothing_to_change(ros: Ros) -> None:
    """A set without changes fails with the reason and cannot be carried out."""
    stack_id = made(ros, with_group(443))
    found = change_set(ros, with_group(443), stack_id=stack_id)
    assert (found.status, found.execution_status, found.changes) == ("CREATE_FAILED", "UNAVAILABLE", [])
    assert "NotSupported" in found.status_reason
    with pytest.raises(TeaException, match="CREATE_FAILED"):
        execute(ros, found)


def test_replacement_not_allowed(ros: Ros) -> None:
    """Without ReplacementOption the set shows what would have to be replaced, and cannot be carried out."""
    stack_id = made(ros, template(network()))
    found = change_set(ros, template(network(Switch=switch("192.168.9.0/24"))), stack_id=stack_id)
    assert (found.status, found.execution_status) == ("CREATE_FAILED", "UNAVAILABLE")
    assert "ReplacementOption" in found.status_reason
    assert rows(found)["Switch"]["Replacement"] == "True"


def test_a_new_stack_by_change_set(house: House, ros: Ros) -> None:
    """A set of the type CREATE makes a stack under review without resources; executing it makes them."""
    found = change_set(ros, template(network()), stack_name="fresh", change_set_type="CREATE")
    stack = ros.see(found.stack_id)
    assert (stack.status, stack.stack_name) == ("REVIEW_IN_PROGRESS", "fresh")
    assert {name: one["Action"] for name, one in rows(found).items()} == {"Vpc": "Add", "Switch": "Add"}
    assert left_over(house) == {}
    with pytest.raises(TeaException) as caught:
        ros.create(template(network()), name="fresh")
    assert code_of(caught.value) == "StackExists"
    execute(ros, found)
    assert ros.settled(found.stack_id).status == "CREATE_COMPLETE"
    assert left_over(house) == {"vpc": 1, "vswitch": 1}
    assert ros.ask("get_change_set", change_set_id=found.change_set_id).execution_status == "EXECUTE_COMPLETE"


def test_a_stack_under_review_can_go(house: House, ros: Ros) -> None:
    """Deleting the set leaves the stack under review, and deleting that leaves nothing."""
    found = change_set(ros, template(network()), stack_name="fresh", change_set_type="CREATE")
    ros.ask("delete_change_set", change_set_id=found.change_set_id)
    with pytest.raises(TeaException) as caught:
        execute(ros, found)
    assert code_of(caught.value) == "ChangeSetNotFound"
    assert ros.see(found.stack_id).status == "REVIEW_IN_PROGRESS"
    ros.ask("delete_stack", stack_id=found.stack_id)
    until(lambda: ros.see(found.stack_id).status == "DELETE_COMPLETE")
    assert left_over(house) == {}


def test_listed_and_filtered(ros: Ros) -> None:
    """ListChangeSets tells a stack's sets newest first, by name with asterisks, and by status."""
    stack_id = made(ros, with_group(443))
    for name in ("a-1", "a-2", "b-1"):
        change_set(ros, with_group(8443), stack_id=stack_id, change_set_name=name)
    names = lambda **fields: [  # noqa: E731
        one.change_set_name for one in ros.ask("list_change_sets", stack_id=stack_id, **fields).change_sets
    ]
    assert names() == ["b-1", "a-2", "a-1"]
    assert names(change_set_name=["a-*"]) == ["a-2", "a-1"]
    assert names(execution_status=["OBSOLETE"]) == []
    assert names(page_size=1, page_number=2) == ["a-2"]
    with pytest.raises(TeaException) as caught:
        change_set(ros, with_group(8443), stack_id=stack_id, change_set_name="a-1")
    assert code_of(caught.value) == "ChangeSetExists"


def test_twenty_at_most(ros: Ros) -> None:
    """A stack has at most twenty sets."""
    stack_id = made(ros, with_group(443))
    for index in range(20):
        ros.ask("create_change_set", change_set_name=f"n{index}", stack_id=stack_id, template_body=with_group(8443))
    with pytest.raises(TeaException, match="quota is 20"):
        change_set(ros, with_group(8443), stack_id=stack_id)


def test_same_token_makes_one_set(ros: Ros) -> None:
    """The same ClientToken gives the same set."""
    stack_id = made(ros, with_group(443))
    ids = {change_set(ros, with_group(8443), stack_id=stack_id, client_token="c-1").change_set_id for _ in range(2)}
    assert len(ids) == 1


def test_bad_requests(ros: Ros) -> None:
    """Imports are refused by name, bad names and templates by their fields."""
    stack_id = made(ros, with_group(443))
    cases = [
        ({"change_set_type": "IMPORT", "stack_id": stack_id}, "IMPORT"),
        ({"change_set_name": "-x", "stack_id": stack_id}, "ChangeSetName"),
        ({"change_set_name": "x"}, "StackId"),
        ({"change_set_type": "CREATE"}, "StackName"),
        ({"stack_id": "nobody"}, "nobody"),
        ({"stack_id": stack_id, "parameters": {"Moon": "1"}}, "Moon"),
    ]
    for fields, part in cases:
        with pytest.raises(TeaException, match=part):
            change_set(ros, with_group(8443), **fields)  # type: ignore[arg-type]
    assert ros.ask("list_change_sets", stack_id=stack_id).total_count == 0


def test_preview_of_a_stack(ros: Ros) -> None:
    """PreviewStack with StackId tells the same changes with properties, and does nothing."""
    stack_id = made(ros, template(network(Group=group(443), Gone=switch("192.168.7.0/24"))))
    resources = network(Group=group(8443), Switch=switch("192.168.9.0/24"))
    preview = ros.ask("preview_stack", stack_id=stack_id, template_body=template(resources)).stack
    found = {one.logical_resource_id: (one.action, one.replacement) for one in preview.resources}
    assert found == {
        "Vpc": ("None", None),
        "Switch": ("Modify", "True"),
        "Group": ("Modify", "False"),
        "Gone": ("Remove", None),
    }
    physical = ros.resources(stack_id)["Vpc"].physical_resource_id
    shown = {one.logical_resource_id: one for one in preview.resources}
    assert shown["Vpc"].physical_resource_id == physical
    assert shown["Switch"].properties["VpcId"] == physical
    assert ros.see(stack_id).status == "CREATE_COMPLETE"
