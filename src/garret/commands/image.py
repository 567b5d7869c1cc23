"""`garret image`: bake an image of one's own, list them, delete one."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from garret.commands.door import Caller, cloud_options
from garret.commands.spec_options import file_option, read_file, said_by_options, spec_options
from garret.console import fields, price_text, rows
from garret.errors import NothingToDo

if TYPE_CHECKING:
    from garret.ops.plan import Plan

FIELDS = (
    "zone", "instance_type", "charge_type", "spot_price_limit", "image_id", "disk_category", "disk_size_gib", "vpc_id",
    "vswitch_id", "vpc_cidr", "vswitch_cidr", "bandwidth_mbps", "resource_group", "tags", "fallback_types",
    "fallback_zones", "max_price_per_hour", "model", "model_sha256", "model_source", "refiner", "wait_timeout_s",
)  # fmt: skip
"""Those of a deployment's fields that a temporary node has."""

BAKE_EPILOG = """\b
Examples:
  garret image bake --cloud local --yes
  garret image bake --cloud aliyun --region cn-hangzhou --model sdxl
      shows what is made and what it costs, and asks first

Deployments of the region then start from it by themselves. Nothing of the temporary node stays, also when it fails;
killed in the middle, the same command goes on, and `garret delete bake-NAME` gives up.
"""
LIST_EPILOG = """\b
Example:
  garret image list --region cn-hangzhou --json
"""
DELETE_EPILOG = """\b
Examples:
  garret image delete m-bp1…
  garret image delete m-bp1… --force --yes
      although deployments were made of it; they run on without it
"""


@click.command(epilog=BAKE_EPILOG)
@click.option(
    "--name", default="image", show_default=True, help="What the image is called: garret-NAME, with date and time."
)
@file_option
@spec_options(FIELDS)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@cloud_options
def bake(caller: Caller, *, name: str, file: Path | None, yes: bool, **options: Any) -> int:
    """Make an image with all that a node needs, for deployments that start in a fraction of the time."""
    from garret.image_bootstrap.bundle import build_bundle
    from garret.ops.bake import Bake, temporary_spec
    from garret.ops.bake_names import PREFIX

    crash = caller.crash()
    said = {key: value for key, value in read_file(file, caller.console.note).items() if key in (*FIELDS, "region")}
    if "region" in said and caller.region_flag is None:
        caller = dataclasses.replace(caller, region_flag=str(said["region"]))
    settings = caller.settings()
    spec = temporary_spec(settings.cloud, name, settings.region, said | said_by_options(options))
    one = caller.deployment(settings, f"{PREFIX}{name}")
    cloud = caller.cloud(settings, caller.region_of(settings, one))
    confirm = partial(_confirm, caller, settings.cloud, yes)
    pack = partial(build_bundle, with_model=settings.cloud == "aliyun")
    facts = Bake(cloud, one, spec, caller.console, confirm, pack, crash).run()
    shown = {
        "Image": f"{facts['image_id']}   {facts['name']}",
        "Holds": f"the runtime, its packages, model {facts['models']}; no login, no key, nothing of a deployment",
        "Billed": f"the snapshot under it, up to {facts['size_gib']} GiB, by the month",
        "Next": f"garret deploy --cloud {settings.cloud} --region {facts['region']}   (takes it by itself)",
    }
    caller.console.answer(facts, ["", *fields(shown)])
    return 0


@click.command("list", epilog=LIST_EPILOG)
@cloud_options
def list_(caller: Caller) -> int:
    """Your own images in the region: what is on them, and who uses them."""
    settings = caller.settings()
    found: list[dict[str, Any]] = []
    if caller.has_cloud(settings):
        from garret.image_bootstrap.bundle import build_bundle
        from garret.ops.image_list import list_images

        cloud = caller.cloud(settings, settings.region)
        images = cloud.images.own()
        found = list_images(cloud, build_bundle(with_model=settings.cloud == "aliyun")) if images else []
    table = [
        ("IMAGE", "NAME", "STATE", "MADE", "DISK", "MODELS", "RUNTIME", "USED BY"),
        *(
            (one["image_id"], one["name"], one["status"], one["created_at"][:16], f"{one['size_gib']} GiB",
             one["models"], _runtime(one), ", ".join(one["used_by"]) or "-")
            for one in found
        ),
    ]  # fmt: skip
    empty = [f"no own images in {settings.region} on {settings.cloud}; make one: garret image bake"]
    caller.console.answer(found, rows(table) if found else empty)
    return 0


@click.command(epilog=DELETE_EPILOG)
@click.argument("image_id", metavar="ID")
@click.option("--force", is_flag=True, help="Also when deployments were made of it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@cloud_options
def delete(caller: Caller, *, image_id: str, force: bool, yes: bool) -> int:
    """Delete one of your own images, with the snapshot that it lies on."""
    crash, settings, console = caller.crash(), caller.settings(), caller.console
    facts: dict[str, Any] = {"image_id": image_id, "region": settings.region, "changed": False, "snapshots": []}
    if caller.has_cloud(settings):
        from garret.ops.image_delete import delete_image

        def confirm(parts: list[str]) -> bool:
            console.say(f"Delete on {settings.cloud}, {settings.region}:")
            for part in parts:
                console.say(f"  {part}")
            return yes or console.confirm("Delete this?")

        cloud = caller.cloud(settings, settings.region)
        facts = delete_image(cloud, image_id, console, confirm, crash, force=force)
    if not facts["changed"] and not console.as_json:
        raise NothingToDo(
            f"there is no image {image_id} in {settings.region}, and no snapshot of it", "garret image list --region …"
        )
    console.answer(facts, [f"{image_id} is deleted; nothing of it is billed"])
    return 0


def _runtime(image: dict[str, Any]) -> str:
    if image["is_this_runtime"]:
        return "this one"
    return (
        f"{image['runtime']}, same packages" if image["has_these_packages"] else f"{image['runtime']}, other packages"
    )


def _lines(kind: str, plan: Plan, name: str) -> list[str]:
    """What a person sees before they say yes."""
    from garret.ops.plan import CLOUD_NAMES

    spec, place = plan.spec, plan.place
    price = plan.prices.running if plan.prices else None
    return [
        f"Bake: image {name} on {CLOUD_NAMES[kind]}, region {spec.region}",
        f"  from      {place.image_id}",
        f"  by        1 x {spec.instance_type} in zone {place.zone}, for minutes; then it is deleted with its network",
        f"  holds     the runtime, its packages and model {spec.model}; no login, no key, nothing of a deployment",
        f"  price     {price_text(price.to_dict() if price else None)}, while the node is there"
        + (f"; account {place.account}" if place.account else ""),
        f"  stays     the image and its snapshot of a {spec.disk_size_gib} GiB disk, until garret image delete; what",
        "            is used of that is billed by the month, and only the cloud's price list says for how much",
    ]


def _confirm(caller: Caller, kind: str, yes: bool, plan: Plan, name: str) -> bool:
    console = caller.console
    for line in _lines(kind, plan, name):
        console.say(line)
    console.say()
    return yes or console.confirm("Make this?")
