"""Cost adds up the bill, tells the present rate, and what stopping saved."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from garret.errors import CloudError
from garret.ops.cloud import Billed, Cloud
from garret.ops.cost import DELAY, NO_BILL, cost
from garret.ops.deployment import Deployment
from garret.ops.records import BillItem
from tests.ops.fake import World, cloud_of, deployment_in
from tests.ops.test_delete import delete
from tests.ops.test_status import deployed

MADE = datetime(2026, 10, 31, 22, tzinfo=UTC)
"""Two hours before a month's end."""


def noted(folder: Path, *entries: tuple[float, str, dict[str, object]]) -> Deployment:
    """Rewrite the notes' times: (hours after it was made, event, more)."""
    one = deployment_in(folder)
    kept = [entry for entry in one.journal.history() if entry["event"] in ("planned", "complete")]
    made = [{"event": "created", "stack_id": "stack-1"}, *kept]
    lines = [entry | {"at": MADE.isoformat()} for entry in made]
    lines += [
        {"at": (MADE + timedelta(hours=hours)).isoformat(), "event": event, **more} for hours, event, more in entries
    ]
    one.journal.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return one


def item(id: str, amount: float, month: str = "2026-10", usage: float = 0.0, kind: str = "instance") -> BillItem:
    """A line of the bill."""
    return BillItem(id, kind, "", amount, "CNY", month, usage, "Hour" if usage else "")


def elsewhere(world: World) -> Cloud:
    """The same cloud as one whose prices are not made up."""
    return replace(cloud_of(world), kind="aliyun")


def test_the_bill_is_added_up_over_months(world: World, tmp_path: Path) -> None:
    """Lines of both months, by thing; the present rate is that of what runs."""
    deployed(world, tmp_path)
    machine = next(iter(world.instances))
    world.bill = [item(machine, 19.0), item(machine, 28.5, "2026-11"), item("d-9", 1.0, kind="disk")]
    one = noted(tmp_path, (1.0, "ready", {"disk_id": "d-9"}))
    found = cost(elsewhere(world), one, MADE + timedelta(hours=5))
    assert (found.so_far, found.currency, found.state, found.source) == (48.5, "CNY", "running", "bill")
    assert {(line.kind, line.amount) for line in found.lines} == {("instance", 47.5), ("disk", 1.0)}
    assert found.now_per_hour == found.running_per_hour == 9.5
    assert found.hours == 5.0
    assert found.note == DELAY


def test_stopping_saves_the_difference(world: World, tmp_path: Path) -> None:
    """Hours stopped without charge, times what an hour of it costs less; a stop that is charged saves nothing."""
    deployed(world, tmp_path)
    machine, one = next(iter(world.instances.items()))
    world.instances[machine] = replace(one, status="Stopped", stopped_mode="StopCharging")
    stop, kept = {"instance_id": machine, "economical": True}, {"instance_id": machine, "economical": False}
    notes = noted(
        tmp_path,
        (1, "stopping", stop),
        (3, "starting", {}),
        (4, "stopping", kept),
        (5, "starting", {}),
        (6, "stopping", stop),
    )
    found = cost(elsewhere(world), notes, MADE + timedelta(hours=10))
    assert found.stopped_hours == 6.0
    assert found.running_per_hour is not None
    assert found.stopped_per_hour is not None
    assert found.saved == pytest.approx(6 * (found.running_per_hour - found.stopped_per_hour))
    assert found.now_per_hour == found.stopped_per_hour < found.running_per_hour


def test_a_start_that_nobody_noted_is_said(world: World, tmp_path: Path) -> None:
    """A schedule of the cloud's has started it: how much of the time it was stopped is more than it truly was."""
    deployed(world, tmp_path)
    notes = noted(tmp_path, (1, "stopping", {"instance_id": next(iter(world.instances)), "economical": True}))
    found = cost(elsewhere(world), notes, MADE + timedelta(hours=10))
    assert (found.state, found.stopped_hours) == ("running", 9.0)
    assert "started by the cloud's schedule or by somebody else" in found.note


def test_a_made_up_bill_is_exact(world: World, tmp_path: Path) -> None:
    """The local cloud's bill has no delay: the hours that it does not count were not paid for, whoever stopped it."""
    deployed(world, tmp_path)
    machine = next(iter(world.instances))
    world.bill = [item(machine, 38.0, usage=4.0)]
    found = cost(cloud_of(world), noted(tmp_path), MADE + timedelta(hours=10))
    assert (found.stopped_hours, found.made_up, found.note) == (6.0, True, "")
    world.billed = [Billed("disk", "d-1")]
    world.bill.append(item("d-1", 2.4, usage=24.0, kind="disk"))  # its clock was moved on by hand
    found = cost(cloud_of(world), noted(tmp_path), MADE + timedelta(hours=10))
    assert (found.hours, found.stopped_hours) == (24.0, 20.0)


def test_without_a_bill_it_is_reckoned(world: World, tmp_path: Path) -> None:
    """A cloud without bills, or keys that may not see them: notes and prices, and it says so."""
    deployed(world, tmp_path)
    world.refusals["DescribeInstanceBill"] = CloudError("DescribeInstanceBill", "NotAuthorized", "no")
    found = cost(cloud_of(world), noted(tmp_path), MADE + timedelta(hours=2))
    assert (found.source, found.note) == ("notes", NO_BILL)
    assert found.so_far == pytest.approx(19.0)


def test_what_is_deleted_has_its_bill(world: World, tmp_path: Path) -> None:
    """By the ids in the notes; nothing is paid now, and nothing is guessed about rates."""
    deployed(world, tmp_path)
    machine = next(iter(world.instances))
    delete(world, tmp_path).run()
    month = datetime.now(UTC).strftime("%Y-%m")
    world.bill = [item(machine, 9.5, month)]
    found = cost(elsewhere(world), deployment_in(tmp_path))
    assert (found.state, found.so_far, found.now_per_hour, found.running_per_hour) == ("absent", 9.5, 0.0, None)


def test_what_never_was_costs_nothing(world: World, tmp_path: Path) -> None:
    """There is nothing to ask the bill for, and that is no fault."""
    found = cost(cloud_of(world), deployment_in(tmp_path))
    assert (found.state, found.so_far, found.lines) == ("absent", 0, ())


def test_another_fault_of_the_bill_is_told(world: World, tmp_path: Path) -> None:
    """An outage is no missing bill."""
    deployed(world, tmp_path)
    world.refusals["DescribeInstanceBill"] = CloudError("DescribeInstanceBill", "ServiceUnavailable", "later")
    with pytest.raises(CloudError, match="later"):
        cost(cloud_of(world), deployment_in(tmp_path))
