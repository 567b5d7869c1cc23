"""Bake: an image or nothing, whatever happens on the way; and what becomes of images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret.errors import BootstrapFailed, CloudError, GarretError, Interrupted, OperationError, SpecError, UsageError
from garret.ops.bake import Bake, temporary_spec
from garret.ops.crash import Crash
from garret.ops.delete import Delete
from garret.ops.events import events
from garret.ops.image_delete import delete_image
from garret.ops.image_list import list_images
from garret.ops.records import CommandResult
from tests.ops.fake import FakeClock, Killed, Listener, World, cloud_of, deployment_in, killed, small_bundle
from tests.ops.test_deploy import deploy

NAME = "bake-studio"
POINTS = (
    "deploy.journaled", "deploy.created", "deploy.waiting", "deploy.delivered", "bake.installed", "bake.cleaned",
    "bake.stopping", "bake.journaled", "bake.sent", "bake.done", "delete.asked", "delete.sent", "delete.done",
    "delete.journaled",
)  # fmt: skip
CLEANED = CommandResult("Success", 0, '{"removed": 7}')


@pytest.fixture(autouse=True)
def _clean_nodes(world: World) -> None:
    """Nodes that are cleaned when they are told to be."""
    world.answers["cd"] = CLEANED


def bake(world: World, folder: Path, *, at: str = "", yes: bool = True, **said: Any) -> Bake:
    """A run of bake in this world."""
    spec = temporary_spec("local", "studio", "cn-hangzhou", said)
    return Bake(
        cloud_of(world), deployment_in(folder, NAME), spec, Listener(), lambda *_: yes, small_bundle, Crash(at, killed)
    )


def nothing_is_left(world: World, folder: Path) -> None:
    """No stack, no machine, nothing open in the journal."""
    assert (world.stacks, world.instances) == ({}, {})
    assert deployment_in(folder, NAME).journal.entries() == []


def test_a_bake_ends_with_an_image_and_without_a_node(world: World, tmp_path: Path) -> None:
    """Set up, cleaned, stopped, imaged, deleted, in this order; tags say what image and snapshot are."""
    facts = bake(world, tmp_path).run()
    (image,) = world.images.values()
    assert (facts["image_id"], facts["models"], image.status) == (image.id, "demo", "Available")
    assert image.name.startswith("garret-studio-2")
    assert image.tags["garret:image"] == small_bundle().sha256[:12]
    assert set(image.tags) == {"garret:image", "garret:lock", "garret:models", "garret:bake"}
    assert world.marks[image.snapshot_ids[0]] == {
        "garret:snapshot-of": image.id, "garret:image": small_bundle().sha256[:12],
    }  # fmt: skip
    order = [one for one in world.writes if one != "SendFile"]
    assert order == ["CreateStack", "StopInstance", "CreateImage", "DeleteStack"]
    nothing_is_left(world, tmp_path)
    (template,) = world.templates.values()
    assert f'"bake":"{image.name}"' in template.replace('\\"', '"')
    assert "SystemDiskEncrypted" not in template


def test_the_node_is_told_no_login(world: World, tmp_path: Path) -> None:
    """Not even as a hash; and none is kept on this machine."""
    with pytest.raises(Killed):
        bake(world, tmp_path, at="bake.installed").run()
    (template,) = world.templates.values()
    told = template.replace('\\"', '"')
    assert '"login":""' in told
    assert '"password_hash":""' in told
    login = deployment_in(tmp_path, NAME).login
    assert login is not None
    assert (login.token, login.password_hash, login.password) == ("", "", "")


def test_the_events_tell_a_bake(world: World, tmp_path: Path) -> None:
    """What garret did is told in words, and no token among them."""
    work = bake(world, tmp_path)
    id = work.run()["image_id"]
    told = [one.text for one in events(work.cloud, work.deployment) if one.who == "garret"]
    for words in (
        "was cleaned",
        "CreateImage was decided for i-",
        f"the image {id} is whole",
        "nothing of it was left",
    ):
        assert any(words in one for one in told), told
    (asked,) = [one for one in work.deployment.journal.history() if one["event"] == "imaging"]
    assert not any(asked["token"] in one for one in told)


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_bake_is_finished_by_the_same_command(world: World, tmp_path: Path, point: str) -> None:
    """Killed anywhere, the next run ends with one image, made once, and no node."""
    with pytest.raises(Killed):
        bake(world, tmp_path, at=point).run()
    begun = deployment_in(tmp_path, NAME).journal.entries() != []
    if begun:
        bake(world, tmp_path).run()
    assert [one.status for one in world.images.values()] == ["Available"]
    assert len({stack for stack in world.tokens.values() if stack.startswith("stack")}) == 1
    nothing_is_left(world, tmp_path)


@pytest.mark.parametrize("point", POINTS[:-5])
def test_a_killed_bake_can_be_given_up(world: World, tmp_path: Path, point: str) -> None:
    """`garret delete` takes the node, and the image that was begun."""
    with pytest.raises(Killed):
        bake(world, tmp_path, at=point).run()
    Delete(cloud_of(world), deployment_in(tmp_path, NAME), Listener(), lambda _: True).run()
    assert (world.images, world.snapshots) == ({}, {})
    nothing_is_left(world, tmp_path)


def test_an_image_that_was_finished_outlives_its_node(world: World, tmp_path: Path) -> None:
    """Deleting what is left of the bake deletes no image that is whole; nor does a second bake that fails."""
    with pytest.raises(Killed):
        bake(world, tmp_path, at="bake.done").run()
    Delete(cloud_of(world), deployment_in(tmp_path, NAME), Listener(), lambda _: True).run()
    world.image_breaks = True
    with pytest.raises(OperationError):
        bake(world, tmp_path).run()
    assert [one.status for one in world.images.values()] == ["Available"]
    nothing_is_left(world, tmp_path)


def test_what_fails_leaves_nothing(world: World, tmp_path: Path) -> None:
    """The bootstrap, the cleaning, the image: each failure says why, and that nothing is billed."""
    world.node_says = "ensure_python: no space\nlog"
    with pytest.raises(BootstrapFailed, match="no space") as told:
        bake(world, tmp_path).run()
    assert (told.value.billed, told.value.hint.split("   ")[0]) == ("nothing", "garret image bake --name studio")
    nothing_is_left(world, tmp_path)

    world.node_says = ""
    world.answers["cd"] = CommandResult("Failed", 1, json.dumps({"error": "a secret of this node is still in /etc/x"}))
    with pytest.raises(OperationError, match="still in /etc/x"):
        bake(world, tmp_path).run()
    assert "CreateImage" not in world.writes
    nothing_is_left(world, tmp_path)

    world.answers["cd"] = CLEANED
    world.image_breaks = True
    with pytest.raises(OperationError, match="CreateFailed"):
        bake(world, tmp_path).run()
    assert (world.images, world.snapshots) == ({}, {})
    nothing_is_left(world, tmp_path)

    world.refusals["CreateImage"] = CloudError("CreateImage", "QuotaExceed.Image", "no more")
    with pytest.raises(CloudError, match=r"QuotaExceed\.Image"):
        bake(world, tmp_path).run()
    nothing_is_left(world, tmp_path)


def test_what_cannot_be_deleted_is_told(world: World, tmp_path: Path) -> None:
    """The first error stays the first; what is billed and how to end that come with it."""
    world.answers["cd"] = CommandResult("Failed", 1, "no")
    world.delete_fails = ("Network", "DependencyViolation")
    with pytest.raises(OperationError, match=r"could not be cleaned.*could not all be deleted") as told:
        bake(world, tmp_path).run()
    assert "garret delete bake-studio" in told.value.hint
    assert told.value.billed


def test_a_no_and_a_wrong_field_make_nothing(world: World, tmp_path: Path) -> None:
    """Nothing is made or remembered before a person agreed."""
    with pytest.raises(UsageError, match="not confirmed"):
        bake(world, tmp_path, yes=False).run()
    assert world.writes == []
    nothing_is_left(world, tmp_path)
    with pytest.raises(SpecError, match="charge_type"):
        bake(world, tmp_path, charge_type="Subscription")
    with pytest.raises(SpecError, match="name"):
        temporary_spec("local", "No Name", "cn-hangzhou", {})


def test_another_s_bake_is_left_alone(world: World, tmp_path: Path) -> None:
    """While one runs, a second of its name is refused, and takes nothing down."""
    with pytest.raises(Killed):
        bake(world, tmp_path, at="bake.installed").run()
    with deployment_in(tmp_path, NAME).journal.locked(), pytest.raises(OperationError, match="another garret"):
        bake(world, tmp_path).run()
    assert len(world.instances) == 1


def test_ctrl_c_says_what_goes_on(world: World, tmp_path: Path) -> None:
    """The node is billed until the bake goes on or is given up."""
    work = bake(world, tmp_path)
    clock = work.cloud.clock
    assert isinstance(clock, FakeClock)

    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.on_sleep = interrupt
    with pytest.raises(Interrupted, match="goes on") as told:
        work.run()
    assert "garret delete bake-studio" in told.value.hint


def test_a_machine_that_somebody_stopped_is_no_image(world: World, tmp_path: Path) -> None:
    """Its disk was not cleaned: no image is made of it."""
    with pytest.raises(Killed):
        bake(world, tmp_path, at="bake.installed").run()
    (machine,) = world.instances.values()
    world.instances[machine.id] = replace(machine, status="Stopped")
    with pytest.raises(OperationError, match="before its disk was cleaned"):
        bake(world, tmp_path).run()
    assert world.images == {}
    nothing_is_left(world, tmp_path)


def drop(world: World, id: str, *, yes: bool = True, at: str = "", force: bool = False) -> dict[str, Any]:
    """Delete an image."""
    return delete_image(cloud_of(world), id, Listener(), lambda _: yes, Crash(at, killed), force=force)


def test_an_image_goes_with_its_snapshot(world: World, tmp_path: Path) -> None:
    """Both, also when a run before was killed between the two; a third time there is nothing."""
    id = bake(world, tmp_path).run()["image_id"]
    with pytest.raises(UsageError, match="not confirmed"):
        drop(world, id, yes=False)
    with pytest.raises(Killed):
        drop(world, id, at="image.deleted")
    assert (world.images, len(world.snapshots)) == ({}, 1)
    assert drop(world, id)["changed"]
    assert world.snapshots == {}
    assert not drop(world, id)["changed"]


def test_an_image_that_is_used_or_another_s_stays(world: World, tmp_path: Path) -> None:
    """Who uses it is named; by force it goes; what garret did not make is left alone."""
    id = bake(world, tmp_path).run()["image_id"]
    deploy(world, tmp_path, said={"image_id": "base"}).run()
    machine = next(iter(world.instances))
    world.machines_images[machine] = id
    (listed,) = list_images(cloud_of(world), small_bundle())
    assert (listed["used_by"], listed["is_this_runtime"], listed["has_these_packages"]) == (["garret"], True, True)
    with pytest.raises(UsageError, match="is used by garret") as told:
        drop(world, id)
    assert "--force" in told.value.hint
    assert drop(world, id, force=True)["changed"]
    world.images["m-x"] = replace(listed_image(id), tags={})
    with pytest.raises(GarretError, match="not made by garret"):
        drop(world, "m-x")


def listed_image(id: str) -> Any:
    """An image of another's making."""
    from garret.ops.records import Image

    return Image(id, "theirs", "Available", "100%", 100)
