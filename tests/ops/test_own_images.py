"""Which image a new node is made of, and what the plan says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret.errors import CloudError, SpecError
from garret.ops.capacity import candidates
from garret.ops.deployment import new_login
from garret.ops.own_images import Contents, contents_of, models_of
from garret.ops.plan import Plan, make_plan, node_config, wanted_spec
from garret.ops.plan_text import plan_lines
from garret.ops.records import Image
from garret.ops.watch import IN_IMAGE_S, Creation
from tests.ops.fake import FakeCatalog, FakeClock, Listener, World, cloud_of, small_bundle
from tests.ops.test_deploy import deploy
from tests.ops.test_watch import created, lines

LOGIN = new_login("admin", "Correct-horse-7")


def here(world: World) -> Contents:
    """What is on a node of this garret."""
    spec = wanted_spec("local", "garret", "cn-hangzhou", {}, None)
    return contents_of(node_config(spec, "local", LOGIN, small_bundle()), small_bundle())


def image(number: int, contents: Contents, **changes: Any) -> Image:
    """An own image, made on a day of its number."""
    one = Image(f"m-{number}", f"garret-{number}", "Available", "100%", 100, f"2026-11-{number:02d}T10:00:00Z",
                contents.tags())  # fmt: skip
    return replace(one, **changes)


def plan(world: World, **said: Any) -> Plan:
    """The plan of a deployment in this world."""
    spec = wanted_spec("local", "garret", "cn-hangzhou", said, None)
    return make_plan(spec, candidates(spec, FakeCatalog(world))[0], cloud_of(world), LOGIN, small_bundle())


def test_the_best_own_image_is_taken_and_told(world: World) -> None:
    """The same models, then the same runtime, then the newest; others than this runtime's packages never."""
    same = here(world)
    older = replace(same, runtime="ffff")
    choices = [
        image(9, replace(same, lock="eeee")),
        image(8, replace(same, models="xl-1")),
        image(7, same, status="Creating"),
        image(6, same, size_gib=500),
        image(5, older),
        image(4, same),
        image(3, same),
    ]
    expected = [("m-4", True), ("m-3", True), ("m-5", False), ("m-8", True)]
    for gone, (wanted, has_runtime) in enumerate(expected):
        left = [one for one in choices if one.id not in {id for id, _ in expected[:gone]}]
        world.images = {one.id: one for one in left}
        made = plan(world)
        assert (made.place.image_id, made.place.image_has_runtime) == (wanted, has_runtime)
        assert made.parameters["ImageId"] == wanted
        assert made.to_entry()["image_has_runtime"] is has_runtime
    world.images = {"m-4": choices[5]}
    assert any(
        "your own of 2026-11-04: nothing has to be installed" in one for one in plan_lines("local", plan(world), "")
    )
    world.images = {"m-8": choices[1]}
    assert "model demo is brought, it has xl-1" in plan(world).place.image_note
    world.images = {"m-5": choices[4]}
    assert "this one is sent over it" in plan(world).place.image_note


def test_without_a_fitting_one_the_cloud_s_own_is_taken(world: World) -> None:
    """And why, with what to type; without any own image there is nothing to say."""
    assert (plan(world).place.image_id, plan(world).place.image_note) == ("ubuntu.vhd", "")
    world.images = {"m-1": image(1, replace(here(world), lock="other"))}
    assert plan(world).place.image_id == "ubuntu.vhd"
    assert "garret image bake --region cn-hangzhou" in plan(world).place.image_note
    world.images = {"m-1": image(1, here(world), size_gib=200)}
    assert "--disk-size 200" in plan(world).place.image_note
    world.refusals["DescribeImages"] = CloudError("DescribeImages", "Forbidden.RAM", "no")
    assert "could not be looked for: Forbidden.RAM" in plan(world).place.image_note


def test_base_says_the_cloud_s_own(world: World) -> None:
    """Whatever own ones there are; it is no default of the template's parameter."""
    world.images = {"m-1": image(1, here(world))}
    made = plan(world, image_id="base")
    assert (made.place.image_id, made.parameters["ImageId"]) == ("ubuntu.vhd", "ubuntu.vhd")
    assert "Default: base" not in made.template.replace('"', "")


def test_an_image_that_was_said_is_looked_at(world: World) -> None:
    """Not there, not whole or too large is told before anything is made; another's is taken as it is."""
    same = here(world)
    world.images = {
        "m-1": image(1, same),
        "m-2": image(2, same, status="CreateFailed"),
        "m-3": image(3, same, size_gib=200),
        "m-4": image(4, same, tags={}),
        "m-5": image(5, replace(same, lock="other", runtime="other")),
    }
    assert plan(world, image_id="m-1").place.image_has_runtime
    assert "packages are others" in plan(world, image_id="m-5").place.image_note
    assert plan(world, image_id="m-4").place.image_note == ""
    assert plan(world, image_id="debian_12.vhd").place.image_id == "debian_12.vhd"
    for id, field, words in (
        ("m-9", "image_id", "has no image m-9"),
        ("m-2", "image_id", "is CreateFailed"),
        ("m-3", "disk_size_gib", "needs 200 GiB"),
    ):
        with pytest.raises(SpecError, match=words) as told:
            plan(world, image_id=id)
        assert told.value.field == field
    assert plan(world, image_id="m-3", disk_size_gib=200).place.image_id == "m-3"


def test_models_in_a_word_are_a_good_tag() -> None:
    """The demo model by its name; others by name and digits, whatever their address holds."""
    spec = wanted_spec("local", "garret", "cn-hangzhou", {}, None)
    config = node_config(spec, "local", LOGIN, small_bundle())
    assert models_of(config) == "demo"
    one = models_of(replace(config, model="https://models.example/a/xl.safetensors?Signature=abc"))
    assert one.startswith("xl.safetensors-")
    assert "Signature" not in one
    assert one != models_of(replace(config, model="https://models.example/b/xl.safetensors"))
    assert len(models_of(replace(config, model="x" * 300))) <= 128


def test_a_node_whose_image_has_the_runtime_is_sent_nothing(world: World, tmp_path: Path) -> None:
    """Not even while it boots and has said nothing yet."""
    cloud, stack_id = created(world, tmp_path)
    clock = cloud.clock
    assert isinstance(clock, FakeClock)
    clock.on_sleep = lambda: world.signal(stack_id) if clock.now > 40 else None
    stack = Creation(cloud, "garret", stack_id, small_bundle(), Listener(), in_image=True).watch(60)
    assert stack is not None
    assert stack.status == "CREATE_COMPLETE"
    assert "SendFile" not in world.writes


def test_an_image_that_lacks_what_its_tag_says_is_helped(world: World, tmp_path: Path) -> None:
    """A node that goes on waiting for the runtime gets it after all."""
    cloud, stack_id = created(world, tmp_path)
    world.answers["tail"] = lines(("ensure_resume", "done"), ("ensure_bundle", "running"))
    clock = cloud.clock
    assert isinstance(clock, FakeClock)
    stack = Creation(cloud, "garret", stack_id, small_bundle(), Listener(), in_image=True).watch(60)
    assert stack is not None
    assert stack.status == "CREATE_COMPLETE"
    assert world.writes.count("SendFile") == 3
    assert clock.now >= IN_IMAGE_S


def test_a_deploy_takes_the_own_image(world: World, tmp_path: Path) -> None:
    """From the command to the stack: the image's id is what the stack is told, and no piece is sent."""
    world.images = {"m-1": image(1, here(world))}
    world.answers["tail"] = lines(("ensure_bundle", "done"))
    work = deploy(world, tmp_path)
    clock = work.cloud.clock
    assert isinstance(clock, FakeClock)
    clock.on_sleep = lambda: [
        world.signal(id) for id, one in world.stacks.items() if one.status == "CREATE_IN_PROGRESS"
    ]
    work.run()
    assert [stack.parameters["ImageId"] for stack in world.stacks.values()] == ["m-1"]
    assert "SendFile" not in world.writes
