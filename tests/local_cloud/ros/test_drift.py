"""Drift: what was changed or deleted by hand is found and told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from Tea.exceptions import TeaException

from tests.local_cloud.house import REGION, House, code_of, until
from tests.local_cloud.ros.changing import made, update, with_group
from tests.local_cloud.ros.stage import Ros


def detected(ros: Ros, stack_id: str, **fields: Any) -> Any:
    """Start a detection, wait for its end and return GetStackDriftDetectionStatus's body."""
    id = ros.ask("detect_stack_drift", stack_id=stack_id, **fields).drift_detection_id
    ask = lambda: ros.ask("get_stack_drift_detection_status", drift_detection_id=id)  # noqa: E731
    until(lambda: ask().drift_detection_status != "DETECTION_IN_PROGRESS")
    return ask()


def drifts(ros: Ros, stack_id: str, **fields: Any) -> dict[str, Any]:
    """Return ListStackResourceDrifts by resource."""
    found = ros.ask("list_stack_resource_drifts", stack_id=stack_id, **fields).resource_drifts
    return {one.logical_resource_id: one for one in found}


def test_in_sync_then_modified_then_deleted(house: House, ros: Ros) -> None:
    """What somebody changes or deletes by hand is found, with both values; an update forgets the finding."""
    stack_id = made(ros, with_group(443, 8443))
    assert ros.see(stack_id).stack_drift_status == "NOT_CHECKED"
    first = detected(ros, stack_id)
    assert (first.drift_detection_status, first.stack_drift_status, first.drifted_stack_resource_count) == (
        "DETECTION_COMPLETE", "IN_SYNC", 0,
    )  # fmt: skip
    group = ros.resources(stack_id)["Group"].physical_resource_id
    rule = {"IpProtocol": "tcp", "PortRange": "443/443", "SourceCidrIp": "203.0.113.7/32", "Policy": "accept"}
    house.call("RevokeSecurityGroup", RegionId=REGION, SecurityGroupId=group, Permissions=[rule])
    switch = ros.resources(stack_id)["Switch"].physical_resource_id
    house.vpc("DeleteVSwitch", VSwitchId=switch)
    second = detected(ros, stack_id)
    assert (second.stack_drift_status, second.drifted_stack_resource_count) == ("DRIFTED", 2)
    found = drifts(ros, stack_id, resource_drift_status=["MODIFIED", "DELETED"])
    assert {name: one.resource_drift_status for name, one in found.items()} == {
        "Group": "MODIFIED",
        "Switch": "DELETED",
    }
    (difference,) = found["Group"].property_differences
    assert (difference.property_path, difference.difference_type) == ("/SecurityGroupIngress", "NOT_EQUAL")
    assert "443/443" in difference.expected_value
    assert "443/443" not in difference.actual_value
    assert [one["PortRange"] for one in json.loads(found["Group"].actual_properties)["SecurityGroupIngress"]] == [
        "8443/8443"
    ]
    stack = ros.see(stack_id)
    assert (stack.stack_drift_status, stack.drift_detection_time is not None) == ("DRIFTED", True)
    assert stack.checked_stack_resource_count == 3
    assert ros.resources(stack_id)["Group"].resource_drift_status == "MODIFIED"
    update(ros, stack_id, with_group(443, 9443))
    ros.settled(stack_id)
    assert ros.see(stack_id).stack_drift_status == "NOT_CHECKED"
    assert ros.resources(stack_id)["Group"].resource_drift_status == "NOT_CHECKED"


def test_one_resource(house: House, ros: Ros) -> None:
    """DetectStackResourceDrift answers at once for one resource; unknown names are refused."""
    stack_id = made(ros, with_group(443))
    found = ros.ask("detect_stack_resource_drift", stack_id=stack_id, logical_resource_id="Vpc")
    assert (found.resource_drift_status, found.property_differences) == ("IN_SYNC", [])
    assert drifts(ros, stack_id).keys() == {"Vpc"}
    for action in ("detect_stack_resource_drift", "detect_stack_drift"):
        names: Any = "Moon" if action == "detect_stack_resource_drift" else ["Moon"]
        with pytest.raises(TeaException) as caught:
            ros.ask(action, stack_id=stack_id, logical_resource_id=names)
        assert code_of(caught.value) == "ResourceNotFound"
    with pytest.raises(TeaException):
        ros.ask("get_stack_drift_detection_status", drift_detection_id="nobody")


def test_pages(ros: Ros) -> None:
    """MaxResults and NextToken walk through the findings."""
    stack_id = made(ros, with_group(443))
    detected(ros, stack_id)
    first = ros.ask("list_stack_resource_drifts", stack_id=stack_id, max_results=2)
    rest = ros.ask("list_stack_resource_drifts", stack_id=stack_id, max_results=2, next_token=first.next_token)
    assert (len(first.resource_drifts), len(rest.resource_drifts), rest.next_token) == (2, 1, None)
