"""The fault board: errors, lost replies, slowness and empty shelves, as often as was asked for."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garret.local_cloud.faults import Fault, Faults
from garret.local_cloud.store import Store
from tests.local_cloud.house import REGION, TYPE, House, PaperDriver, code_of


def regions(house: House) -> Any:
    """Ask for the regions through the typed client, which does not retry."""
    from alibabacloud_ecs20140526.models import DescribeRegionsRequest

    return house.ecs().describe_regions(DescribeRegionsRequest())


def switch(house: House, **fault: object) -> None:
    """Switch one fault on."""
    house.own("POST", "/_garret/faults", {"faults": [fault]})


@given(times=st.integers(1, 5), calls=st.integers(0, 8))
def test_a_fault_happens_as_often_as_asked(times: int, calls: int) -> None:
    """Of n calls the first `times` meet it, and then it is gone from the board."""
    store = Store(None)
    board = Faults(store)
    board.add(Fault("DescribeRegions", times=times))
    met = [board.take("Ecs", "DescribeRegions", {}) is not None for _ in range(calls)]
    assert met == [index < times for index in range(calls)]
    assert (board.listed() == []) == (calls >= times)
    store.close()


def test_throttling_comes_with_its_code_and_ends(house: House) -> None:
    """Two throttled calls, then a good one; the typed SDK sees a ThrottlingException with the time to wait."""
    switch(
        house, action="DescribeRegions", code="Throttling.User", status=400, message="slow down", times=2,
        retry_after_ms=700,
    )  # fmt: skip
    for _ in range(2):
        with pytest.raises(Exception, match="Throttling") as throttled:
            regions(house)
        assert type(throttled.value).__name__ == "ThrottlingException"
        assert code_of(throttled.value) == "Throttling.User"
    assert regions(house).status_code == 200


def test_server_errors_touch_only_the_named_action(house: House) -> None:
    """A 503 for one action of one product leaves the others alone."""
    switch(house, action="DescribeRegions", product="Ecs", times=0)
    for _ in range(3):
        with pytest.raises(Exception, match="ServiceUnavailable") as refused:
            regions(house)
        assert refused.value.status_code == 503
    assert house.vpc("DescribeVpcs")["TotalCount"] == 0
    house.own("DELETE", "/_garret/faults")
    assert regions(house).status_code == 200


def test_a_lost_reply_was_carried_out(house: House) -> None:
    """The connection drops for both SDKs, though the VPC was made; the same ClientToken finds it again."""
    switch(house, action="CreateVpc", effect="lost")
    with pytest.raises(Exception, match=r"SDK\.HttpError"):
        house.vpc("CreateVpc", ClientToken="once")
    made = house.vpc("DescribeVpcs")["Vpcs"]["Vpc"]
    assert len(made) == 1
    assert house.vpc("CreateVpc", ClientToken="once")["VpcId"] == made[0]["VpcId"]
    switch(house, action="DescribeRegions", effect="lost")
    with pytest.raises(Exception, match="Connection aborted"):
        regions(house)


def test_an_unsent_call_was_not_carried_out(house: House) -> None:
    """The connection drops and nothing was made."""
    switch(house, action="CreateVpc", effect="unsent")
    with pytest.raises(Exception, match=r"SDK\.HttpError"):
        house.vpc("CreateVpc")
    assert house.vpc("DescribeVpcs")["TotalCount"] == 0


def test_slowness_waits_first(house: House) -> None:
    """A slow call is answered, late."""
    switch(house, action="DescribeRegions", effect="slow", seconds=0.3)
    begun = time.monotonic()
    assert regions(house).status_code == 200
    assert time.monotonic() - begun >= 0.3


def test_the_board_refuses_what_it_does_not_know(house: House) -> None:
    """A switch that names no effect, or no stock word, says what there is and changes nothing."""
    for wrong in (
        {"faults": [{"action": "RunInstances", "effect": "explode"}]},
        {"faults": [{"action": "RunInstances", "colour": "red"}]},
        {"stock": {f"{REGION}-i/{TYPE}": "Plenty"}},
    ):
        status, reply = _post(house, wrong)
        assert status == 400
        assert "error" in reply
    assert house.own("GET", "/_garret/faults") == {"faults": [], "stock": []}


def _post(house: House, body: object) -> tuple[int, dict[str, Any]]:
    import json

    from tests.local_cloud.house import SECRET

    return house.http("POST", "/_garret/faults", json.dumps(body).encode(), {"x-garret-secret": SECRET})


def test_faults_outlive_the_server() -> None:
    """The board is in the store: a server that comes back still has what was switched on."""
    store = Store(None)
    Faults(store).add(Fault("DescribeRegions"))
    with House(PaperDriver(), store=store) as house:
        with pytest.raises(Exception, match="ServiceUnavailable"):
            regions(house)
