"""Resources that do not need each other are made side by side, at most as many as Parallelism says."""

from __future__ import annotations

from typing import Any

from tests.local_cloud.house import until
from tests.local_cloud.ros.stage import Ros, template

NAMES = ("A", "B", "C")


def _conditions(**after: str) -> dict[str, Any]:
    """Return three conditions with a handle each; `after` says which of them depends on which."""
    found: dict[str, Any] = {}
    for name in NAMES:
        properties = {"Handle": {"Ref": f"{name}Handle"}, "Timeout": 60}
        found[f"{name}Handle"] = {"Type": "ALIYUN::ROS::WaitConditionHandle"}
        found[name] = {"Type": "ALIYUN::ROS::WaitCondition", "Properties": properties}
        if name in after:
            found[name]["DependsOn"] = after[name]
    return found


def _busy(ros: Ros, stack_id: str) -> set[str]:
    return {name for name, one in ros.resources(stack_id).items() if one.status == "CREATE_IN_PROGRESS"}


def _signal(ros: Ros, stack_id: str, name: str) -> None:
    ros.ask("signal_resource", stack_id=stack_id, logical_resource_id=name, status="SUCCESS", unique_id="1")


def test_side_by_side(ros: Ros) -> None:
    """Three conditions wait at the same time, and the stack is complete once all have heard."""
    stack_id = ros.create(template(_conditions()))
    until(lambda: _busy(ros, stack_id) == set(NAMES))
    for name in NAMES:
        _signal(ros, stack_id, name)
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"


def test_depends_on_makes_it_wait(ros: Ros) -> None:
    """What depends on another resource starts after it, the rest meanwhile."""
    stack_id = ros.create(template(_conditions(B="A")))
    until(lambda: _busy(ros, stack_id) == {"A", "C"})
    assert ros.resources(stack_id)["B"].status == "INIT_COMPLETE"
    _signal(ros, stack_id, "A")
    until(lambda: _busy(ros, stack_id) == {"B", "C"})
    for name in ("B", "C"):
        _signal(ros, stack_id, name)
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"


def test_parallelism_of_one(ros: Ros) -> None:
    """With Parallelism 1 there is never more than one at work."""
    stack_id = ros.create(template(_conditions()), parallelism=1)
    for _ in NAMES:
        until(lambda: _busy(ros, stack_id) & set(NAMES))
        (busy,) = _busy(ros, stack_id)
        _signal(ros, stack_id, busy)
        until(lambda busy=busy: ros.resources(stack_id)[busy].status == "CREATE_COMPLETE")  # type: ignore[misc]
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"
