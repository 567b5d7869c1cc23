"""The bill of the local cloud's ledger, and a key that has just garret's policy: from deploy to nothing left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from garret.ops import policy
from garret.ops.aliyun.session import Keys
from garret.ops.cost import cost
from garret.ops.crash import Crash
from garret.ops.doctor import Wanted, cloud_checks
from garret.ops.plan import IMAGE_FAMILY
from garret.ops.start import start
from garret.ops.stop import stop
from tests.light.clock import HastyClock
from tests.light.house import LightHouse, light_house
from tests.local_cloud.house import REGION, TYPE
from tests.ops.fake import Listener


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightHouse]:
    """A fresh cloud."""
    with light_house(tmp_path_factory.mktemp("money")) as one:
        yield one


def pass_time(house: LightHouse, hours: float) -> None:
    """Let the cloud's clock go on."""
    house.cloud_house.own("POST", "/_garret/clock", {"advance_s": hours * 3600})


def test_stopping_saves_what_the_bill_says(house: LightHouse) -> None:
    """Two hours running and ten stopped: the bill, the present rate and the saving agree, also after delete."""
    roles, one, clock = house.roles(HastyClock()), house.deployment(), house.cloud_house.cloud.clock
    house.deploy(roles=roles)
    pass_time(house, 2)
    running = cost(roles, one, clock.now())
    assert running.now_per_hour == running.running_per_hour == pytest.approx(sum(house.billed().values()))
    assert running.so_far == pytest.approx(2 * running.running_per_hour, rel=0.01)
    stop(roles, one, Listener(), Crash())
    pass_time(house, 10)
    stopped = cost(roles, one, clock.now())
    assert stopped.now_per_hour == stopped.stopped_per_hour == pytest.approx(sum(house.billed().values()))
    assert stopped.stopped_per_hour is not None
    assert stopped.so_far == pytest.approx(running.so_far + 10 * stopped.stopped_per_hour, rel=0.01)
    assert stopped.stopped_hours == pytest.approx(10, rel=0.01)
    assert stopped.saved == pytest.approx(10 * (running.running_per_hour - stopped.stopped_per_hour), rel=0.01)
    assert {line.kind for line in stopped.lines} == {"instance", "disk", "address"}
    house.delete(roles=roles)
    gone = cost(roles, one, clock.now())
    assert (gone.state, gone.now_per_hour, gone.source) == ("absent", 0.0, "bill")
    assert gone.so_far == pytest.approx(stopped.so_far, rel=0.01)


def test_a_key_with_just_the_policy_does_everything(house: LightHouse) -> None:
    """The document that the doctor prints, attached to a key: every verb works, and nothing is found missing."""
    made = house.cloud_house.own("POST", "/_garret/keys", {"policy": policy.document(), "name": "studio"})
    roles, one = house.roles(HastyClock(), Keys(made["access_key_id"], made["access_key_secret"])), house.deployment()
    house.deploy(roles=roles, autostop_min=60)
    stop(roles, one, Listener(), Crash())
    start(roles, one, Listener(), Crash())
    house.update(roles=roles, bandwidth_mbps=20)
    assert cost(roles, one).source == "bill"
    checks = {check.name: check for check in cloud_checks(roles, Wanted(REGION, TYPE, IMAGE_FAMILY))}
    assert {check.state for check in checks.values()} == {"ok"}, checks
    house.delete(roles=roles, keep_disk=True)
    house.delete(roles=roles, drop_kept=True)
    house.settle()
    assert (house.exists(), house.stacks()) == ({}, [])
