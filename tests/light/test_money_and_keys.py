"""The bill of the local cloud's ledger, and a key that has just garret's policy: from deploy to nothing left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from alibabacloud_ecs20140526 import models

from garret.errors import GarretError
from garret.local_cloud import metadata
from garret.ops import policy
from garret.ops.aliyun.session import Keys
from garret.ops.autostop import run as autostop
from garret.ops.cost import cost
from garret.ops.crash import Crash
from garret.ops.doctor import Wanted, cloud_checks
from garret.ops.plan import IMAGE_FAMILY
from garret.ops.start import start
from garret.ops.status import status
from garret.ops.stop import stop
from garret.ops.work import Work
from garret.service_runtime.metadata import Metadata
from garret.service_runtime.self_stop import SelfStop, StopRefused
from tests.light.clock import HastyClock
from tests.light.house import LightHouse, light_house
from tests.local_cloud.house import REGION, TYPE, until
from tests.local_cloud.test_metadata import Masked
from tests.ops.fake import Listener

FIRST = datetime(2020, 1, 1, tzinfo=UTC)


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


def test_cost_is_the_bill_to_the_cent_whoever_stopped_it(house: LightHouse) -> None:
    """A node that stops itself by its role: what garret says it cost and saved is what the cloud's book has."""
    roles, one, clock = house.roles(HastyClock()), house.deployment(), house.cloud_house.cloud.clock
    house.deploy(roles=roles)
    (machine,) = roles.instances.tagged("garret")
    where = metadata.environment(house.cloud_house.cloud, machine.id)
    node = SelfStop(Metadata(where["GARRET_METADATA_URL"]), where["GARRET_ENDPOINT_ECS"])
    pass_time(house, 1.25)
    node()
    house.settle()
    pass_time(house, 13.5)
    start(roles, one, Listener(), Crash())
    pass_time(house, 0.75)
    node()
    house.settle()
    pass_time(house, 100)
    said, moment = cost(roles, one, clock.now()), clock.now()
    ledger = house.cloud_house.cloud.ledger
    lines = [ledger.cost(line, FIRST, moment) for line in ledger.lines()]
    assert said.so_far == pytest.approx(sum(amount for _, amount in lines), abs=0.005)
    assert said.so_far == pytest.approx(ledger.total(), abs=0.005)
    kept = [line for line in ledger.lines(machine.id) if line["state"] == "stopped economically"]
    hours = sum(ledger.cost(line, FIRST, moment)[0] for line in kept)
    rate = next(line["list_per_hour"] for line in kept)
    assert said.stopped_hours == pytest.approx(hours, abs=0.001)
    assert said.saved == pytest.approx(hours * rate, abs=0.05)
    assert hours == pytest.approx(113.5, abs=0.05)
    never = (115.5) * (said.running_per_hour or 0)
    assert said.so_far + (said.saved or 0) == pytest.approx(never, rel=0.001), (
        "cost and saving are what it would have cost"
    )


def test_the_node_may_stop_and_release_its_own_deployment_and_nobody_else_s(house: LightHouse) -> None:
    """By the role that the template gives it, judged by the local cloud's RAM; every other action is refused."""
    for name, port in (("mine", house.port), ("yours", house.port + 1)):
        with suppress(GarretError):  # the second has no service behind its port, and its node is there all the same
            house.deploy(name, roles=house.roles(HastyClock()), service_port=port)
    (mine,), (yours,) = (house.roles().instances.tagged(name) for name in ("mine", "yours"))
    where = metadata.environment(house.cloud_house.cloud, mine.id)
    ecs, role = where["GARRET_ENDPOINT_ECS"], Metadata(where["GARRET_METADATA_URL"])
    wrong = SelfStop(Masked(role.url, yours.id), ecs)
    later = house.cloud_house.cloud.clock.now() + timedelta(days=1)
    for forbidden in (wrong, lambda: wrong.release(later), lambda: wrong.release(None)):
        with pytest.raises(StopRefused, match=r"Forbidden\.RAM"):
            forbidden()
    keys = role.role_keys()
    client = house.cloud_house.ecs(keys.access_key_secret, keys.access_key_id, keys.security_token)
    for ask in (
        lambda: client.start_instance(models.StartInstanceRequest(instance_id=mine.id)),
        lambda: client.reboot_instance(models.RebootInstanceRequest(instance_id=mine.id)),
        lambda: client.delete_instance(models.DeleteInstanceRequest(instance_id=mine.id, force=True)),
        lambda: client.describe_instances(models.DescribeInstancesRequest(region_id=REGION)),
    ):
        with pytest.raises(Exception, match=r"Forbidden\.RAM"):
            ask()
    own = SelfStop(role, ecs)
    own.release(later)
    assert house.roles().instances.get(mine.id).release_at  # type: ignore[union-attr]
    own.release(None)
    own()
    house.settle()
    stopped, running = house.roles().instances.get(mine.id), house.roles().instances.get(yours.id)
    assert stopped is not None
    assert running is not None
    assert (stopped.status, stopped.stopped_mode, stopped.release_at) == ("Stopped", "StopCharging", "")
    assert (running.status, running.release_at) == ("Running", "")


def test_what_was_to_be_deleted_is_and_the_address_is_still_billed(house: LightHouse) -> None:
    """Two weeks after the stop, by the cloud's clock: machine and disk are gone; delete ends the rest."""
    roles, one = house.roles(HastyClock()), house.deployment()
    house.deploy(roles=roles)
    autostop(Work(roles, one, Listener(), Crash(), {"delete_after_s": 14 * 86_400.0}))
    stop(roles, one, Listener(), Crash())
    pass_time(house, 14 * 24 - 1)
    assert set(house.exists()) == {"instance", "disk", "eip"}
    pass_time(house, 1.1)
    until(lambda: set(house.exists()) == {"eip"}, 20)
    found = status(roles, one, REGION)
    assert found.state == "failed"
    assert "14 days after a stop; the address is still there, and billed" in found.why
    house.delete(roles=roles)
    house.settle()
    assert (house.exists(), house.stacks()) == ({}, [])


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
