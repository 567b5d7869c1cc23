"""The policy that `garret doctor --policy` prints is what the verbs need: enough for all, and no action more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from garret.errors import Cancelled, GarretError
from garret.local_cloud.nodes.driver import RunResult
from garret.ops import policy
from garret.ops.autostop import run as autostop
from garret.ops.backup import backup
from garret.ops.bake import Bake, temporary_spec
from garret.ops.cloud import Cloud as Roles
from garret.ops.cost import cost
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment
from garret.ops.doctor import Wanted, cloud_checks
from garret.ops.events import events
from garret.ops.executions import Node
from garret.ops.image_delete import delete_image
from garret.ops.image_list import list_images
from garret.ops.known_executions import cloud_execution
from garret.ops.list import list_deployments
from garret.ops.plan import IMAGE_FAMILY
from garret.ops.resize import Resize
from garret.ops.restore import Restore
from garret.ops.schedule import run as schedule
from garret.ops.ssh_door import new_door
from garret.ops.ssh_door import run as open_door
from garret.ops.start import start
from garret.ops.start_elsewhere import Allowed
from garret.ops.status import status
from garret.ops.stop import stop
from garret.ops.work import Work
from tests.light.clock import HastyClock
from tests.light.guarded import FREE, GuardedCloud
from tests.light.house import LightHouse, light_house, tiny_bundle
from tests.local_cloud.house import REGION, TYPE
from tests.ops.fake import Listener

# Each is an update of its own; the last ones take away what those before them added.
UPDATES: tuple[dict[str, Any], ...] = (
    {"bandwidth_mbps": 20, "allow_cidr": ("127.0.0.0/8", "10.0.0.0/8"), "tags": {"team": "studio"}},
    {"instance_type": "ecs.gn7i-c32g1.8xlarge", "disk_size_gib": 200},
    {"allow_cidr": ("127.0.0.0/8",), "tags": {}},
)
WANTED = Wanted(REGION, TYPE, IMAGE_FAMILY)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightHouse]:
    """A cloud that watches over rights."""
    with light_house(tmp_path_factory.mktemp("policy"), cloud_type=GuardedCloud) as one:
        yield one


def guard(house: LightHouse) -> GuardedCloud:
    """The cloud of a house, as the watch that it is."""
    cloud = house.cloud_house.cloud
    assert isinstance(cloud, GuardedCloud)
    return cloud


def life(house: LightHouse, roles: Roles) -> dict[str, Callable[[], Any]]:
    """Every verb that talks to the cloud, in an order in which all of them have something to do."""
    one = house.deployment()

    def fails() -> None:
        house.driver.says = "ensure_gpu: nvidia-smi names no GPU"
        with pytest.raises(GarretError, match="ensure_gpu"):
            house.deploy(roles=roles)
        house.driver.says = ""

    def bakes() -> None:
        house.driver.answers = lambda _: RunResult(0, b"{}")
        image = Bake(
            roles, house.deployment("bake-one"), temporary_spec("local", "one", REGION, {"instance_type": TYPE}),
            Listener(), lambda *_: True, tiny_bundle,
        ).run()  # fmt: skip
        assert [one["image_id"] for one in list_images(roles)] == [image["image_id"]]
        assert delete_image(roles, image["image_id"], Listener(), lambda _: True, Crash())["changed"]

    return {
        "image bake, list, delete": bakes,
        "deploy": lambda: house.deploy(roles=roles, autostop_min=60),
        "deploy again": lambda: house.deploy(roles=roles),
        "status": lambda: status(roles, one, REGION),
        "list": lambda: list_deployments(house.home / "deployments/local", [REGION], lambda _: roles),
        "events": lambda: events(roles, one),
        **{f"update {number}": partial(house.update, roles=roles, **said) for number, said in enumerate(UPDATES)},
        "ops schedule": lambda: schedules(roles, one),
        "ops autostop": lambda: autostop(
            Work(roles, one, Listener(), Crash(), {"idle_s": 7200.0, "delete_after_s": 86_400.0})
        ),
        "ops ssh": lambda: goes_in(house, roles, one),
        "ops stop": lambda: stop(roles, one, Listener(), Crash()),
        "cost": lambda: cost(roles, one),
        "ops start": lambda: start(roles, one, Listener(), Crash()),
        "ops resize": lambda: Resize(roles, one, Listener(), TYPE).run(),
        "ops backup": lambda: [backup(roles, one, Listener(), Crash(), keep=1) for _ in range(2)],
        "ops restore": lambda: Restore(roles, one, Listener(), safety=False).run(),
        "ops start elsewhere": lambda: moves(house, roles, one),
        "delete": lambda: house.delete(roles=roles, keep_disk=True),
        "delete what was kept": lambda: house.delete(roles=roles, drop_kept=True),
        "a deploy that fails": fails,
        "delete again": lambda: house.delete(roles=roles),
    }


def moves(house: LightHouse, roles: Roles, one: Deployment) -> None:
    """Stopped, sold out in its zone, and started in another."""
    stop(roles, one, Listener(), Crash())
    zone = (one.plan or {})["zone"]
    house.cloud_house.own("POST", "/_garret/faults", {"faults": [{"fault": "no_stock", "zone": zone}]})
    try:
        assert start(roles, one, Listener(), Crash(), allowed=Allowed(any_zone=True))["zone"] != zone
    finally:
        house.cloud_house.own("DELETE", "/_garret/faults", {})


def schedules(roles: Roles, one: Deployment) -> None:
    """Make a schedule, look at it, replace and end it; and look at one of its executions."""
    for said in ({"stop": "daily 23:00"}, {"stop": "daily 22:00"}, {}):
        facts = schedule(Work(roles, one, Listener(), Crash(), said))
        if facts["stop"]:
            assert cloud_execution(roles, facts["stop"]["execution"]).place == "cloud"


def goes_in(house: LightHouse, roles: Roles, one: Deployment) -> None:
    """Open a door to the node and have it closed again."""
    before = house.driver.answers
    house.driver.answers = lambda _: RunResult(0, b'{"user": "root", "host": "", "port": 22, "host_keys": []}')
    door = new_door(one)
    parameters = {"door": door.id, "key": door.make(), "cidr": "127.0.0.0/8", "for_h": 1}
    with door.held(), pytest.raises(Cancelled):
        open_door(Work(roles, one, Listener(), Crash(), parameters, asked_to_cancel=lambda: True))
    house.driver.answers = before


def test_every_call_is_allowed_and_every_allowed_action_is_called(house: LightHouse) -> None:
    """With a key that has just this policy all verbs work, from deploy to nothing left; none of its actions is idle."""
    watch = guard(house)
    watch.allow(set(policy.actions()))
    watch.seen.clear()
    roles = house.roles(HastyClock())
    try:
        for verb in life(house, roles).values():
            verb()
            house.settle()
        by_verbs = set(watch.seen) - {FREE}
        watch.seen.clear()
        checks = {one.name: one for one in cloud_checks(roles, WANTED)}
    finally:
        watch.allow(None)
    assert checks["permissions"].state == "ok", checks["permissions"].text
    assert (house.exists(), house.stacks()) == ({}, [])
    assert by_verbs <= set(policy.actions()), "asked for, and not in the policy"
    # The doctor probes all rights, so only what its own checks need counts as called for.
    called = by_verbs | set(policy.VERBS["doctor"]) | set(policy.UNSEEN)
    assert set(policy.actions()) <= called, "in the policy, and never asked for"
    assert set(policy.VERBS["doctor"]) <= watch.seen | set(policy.UNSEEN)


@pytest.mark.parametrize(
    "action", ["ecs:RunInstances", "ecs:StartInstance", "ros:DeleteStack", "vpc:ReleaseEipAddress", "ros:ListStacks"]
)
def test_a_missing_action_is_named(house: LightHouse, action: str) -> None:
    """With one action taken out of the policy, the doctor names exactly that one, and makes nothing."""
    watch, before = guard(house), house.exists()
    watch.allow(set(policy.actions()) - {action})
    try:
        found = {one.name: one for one in cloud_checks(house.roles(HastyClock()), WANTED)}["permissions"]
    finally:
        watch.allow(None)
    assert found.state == "failed"
    assert found.text.startswith(f"missing: {action} (for ")
    assert ";" not in found.text, "and no other"
    assert house.exists() == before


def test_asking_for_all_rights_changes_nothing(house: LightHouse) -> None:
    """Every probe leaves the cloud's book as it was: nothing is made, changed or deleted."""
    house.deploy("probed")
    house.settle()
    store = house.cloud_house.store
    kinds = ("stack", "instance", "disk", "eip", "vpc", "vswitch", "security_group", "snapshot", "command")
    before = {kind: store.pairs(kind) for kind in kinds}
    roles = house.roles(HastyClock())
    asked = {action: roles.account.lacks(action) for action in policy.actions()}
    assert {kind: store.pairs(kind) for kind in kinds} == before
    assert {reason for reason in asked.values() if reason is not None} == {""}
    house.delete("probed")


def test_download_needs_no_more_than_is_listed(house: LightHouse) -> None:
    """A model is asked for by Cloud Assistant's commands and files, and nothing else."""
    house.deploy("models")
    house.driver.answers = lambda _: RunResult(
        0, b'{"id": "0123456789abcdef0123456789abcdef", "verb": "download-model", "status": "Success"}'
    )
    watch = guard(house)
    watch.seen.clear()
    node = Node.of(house.roles(HastyClock()), house.deployment("models"))
    execution = node.begin("download-model", {"type": "checkpoint", "url": "https://models.example/x.safetensors"})
    assert execution["status"] == "Success"
    assert watch.seen <= set(policy.VERBS["ops download-model"])
    house.delete("models")
