"""Exported templates on a whole deployment: what they change, garret's own verbs find as if they had done it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from garret.local_cloud.faults import Fault
from garret.ops.cloud import Cloud
from garret.ops.execution import ENDED
from garret.ops.export import templates
from garret.templates.oos.parts import as_yaml
from tests.light.clock import HastyClock
from tests.light.house import LightHouse, light_house
from tests.local_cloud.house import TYPE, until

BIGGER = "ecs.gn7i-c32g1.8xlarge"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[LightHouse]:
    """A cloud with one deployment."""
    with light_house(tmp_path) as one:
        one.deploy()
        yield one
        one.delete()


def resized(house: LightHouse, roles: Cloud, to: str) -> Any:
    """Execute the template that resizes, to its end."""
    one = house.deployment()
    (machine,) = roles.instances.tagged(one.name)
    given = {"instanceId": machine.id, "stackId": one.stack_id, "instanceType": to}
    text = as_yaml(templates("resize")["resize"])
    id = roles.automation.start(text, given, tags={}, token=to, description="resize")
    until(lambda: roles.automation.get(id).status in ENDED, 60)  # type: ignore[union-attr]
    return roles.automation.get(id)


def test_resize_changes_the_stack_and_the_machine(house: LightHouse) -> None:
    """The stack stays the truth; where the new type does not start, the old one runs again and that is a failure."""
    roles = house.roles(HastyClock())
    done = resized(house, roles, BIGGER)
    assert done.status == "Success", done.message
    (machine,) = roles.instances.tagged("garret")
    stack = roles.stacks.get(house.deployment().stack_id)
    assert stack is not None
    assert (machine.status, machine.instance_type, stack.parameters["InstanceType"]) == ("Running", BIGGER, BIGGER)

    house.cloud_house.cloud.faults.add(Fault(action="StartInstance", code="OperationDenied.NoStock", status=403))
    failed = resized(house, roles, TYPE)
    assert failed.status == "Failed", failed
    (machine,) = roles.instances.tagged("garret")
    stack = roles.stacks.get(house.deployment().stack_id)
    assert stack is not None
    assert (machine.status, machine.instance_type, stack.parameters["InstanceType"]) == ("Running", BIGGER, BIGGER)
