"""Autostop in real time on a process node: from the default of a deploy to a node that stopped itself."""

from __future__ import annotations

import pytest

from tests.flows.house import DEPLOY, House
from tests.flows.idle import busy_goes_on_and_idle_stops, cost_is_the_book, service_of, state

pytestmark = pytest.mark.flow


def test_a_node_that_is_used_goes_on_and_one_that_is_not_stops_itself(house: House) -> None:
    """An hour by default, said in the plan and in status; changed while it runs; then seconds, and nobody there."""
    plan = house.run(*DEPLOY)
    assert plan.returncode == 0, plan.stderr
    assert "stops itself after 60 minutes without use" in plan.stdout + plan.stderr
    assert house.json("status")["autostop"]["after_s"] == 3600.0
    changed = house.json("ops", "autostop", "--idle", "2h", "--stop-by", "02:00", "--time-zone", "Asia/Shanghai")
    assert changed["settings"]["idle_s"] == 7200.0
    told = house.garret("ops", "autostop")
    assert "02:00 Asia/Shanghai, every day" in told
    assert "idle for" in told
    service_of(house).post("/machine/hold", {"seconds": 3000})
    assert "kept on by" in house.garret("ops", "autostop")
    assert "kept on by" in house.garret("status")
    first = service_of(house).get("/machine")["cost"]
    assert first["made_up"] is True
    assert first["running_per_hour"] > first["stopped_per_hour"] > 0
    assert 0 < first["hours"] < 0.5, "of this run, and not of the machine that lends itself to the node"
    written = house.calls("write")
    assert house.json(*DEPLOY)["changed"] is False, "and a deploy changes nothing back"
    assert house.calls("write") == written
    house.json("ops", "autostop", "--stop-by", "off")
    service_of(house).post("/machine/hold", {"seconds": 0.001})
    busy_goes_on_and_idle_stops(house)
    cost_is_the_book(house)
    assert house.json("ops", "autostop", "--idle", "1h")["state"] == "stopped"
    house.garret("ops", "start")
    assert state(house)[0] == "Running"
    machine = service_of(house).get("/machine")
    assert machine["autostop"]["after_s"] == 3600.0, "told when it was started"
    assert machine["cost"]["since"] > first["since"]
    house.garret("delete", "garret", "--yes")
    assert house.billed() == []
