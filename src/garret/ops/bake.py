"""Bake: an image of one's own, by way of a node that is set up, cleaned, stopped, imaged and deleted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from garret.errors import GarretError, Interrupted, NotReady, OperationError, SpecError, UsageError
from garret.image_bootstrap.bundle import Bundle
from garret.ops.bake_names import CLEAN, PREFIX, image_name
from garret.ops.cloud import DEPLOYMENT_TAG, IMAGE_TAG, SNAPSHOT_TAG, Cloud, Instance, Stack
from garret.ops.crash import Crash
from garret.ops.create import SETTLE_S, Create
from garret.ops.delete import Delete
from garret.ops.deployment import Deployment, Login
from garret.ops.own_images import AVAILABLE, BAKE_TAG, BASE, Contents, contents_of
from garret.ops.plan import Plan, defaults_on, node_config
from garret.ops.power import machine_of, wait_for_status
from garret.ops.records import Image
from garret.ops.stack_states import IN_PROGRESS, ROLLED_BACK
from garret.ops.tell import Teller
from garret.ops.watch import watch_until_settled
from garret.spec import DeploymentSpec, parse_spec

IMAGE_S = 7200.0
CLEAN_S = 300
BROKEN = ("CreateFailed", "UnAvailable")
NOBODY = Login("", "", "")
"""Nobody logs in to a node that is baked: it is told no login, not even as a hash."""


@dataclass
class Bake:
    """One run of bake; `spec` is the temporary node's. `confirm` shows the plan and returns the person's answer."""

    cloud: Cloud
    deployment: Deployment
    spec: DeploymentSpec
    tell: Teller
    confirm: Callable[[Plan, str], bool]
    pack: Callable[[], Bundle]
    crash: Crash = field(default_factory=Crash)

    def run(self) -> dict[str, Any]:
        """Bake, or finish a bake that was killed; the facts of the image. Whatever happens, the node is deleted.

        Raises:
            OperationError: it failed; nothing of it is billed any more, or it says what is.
        """
        failed: GarretError | None = None
        with self.deployment.journal.locked():  # what is another's work is not taken down
            try:
                image = self._image()
            except KeyboardInterrupt:
                raise self._interrupted() from None
            except GarretError as error:
                failed = error
        if failed is not None:
            raise self._taken_down(failed) from failed.__cause__
        self._take_down()
        return self._facts(image)

    def _image(self) -> Image:
        """The whole image: what is there of it is used."""
        baked = self.deployment.journal.last("baked")
        known = self.cloud.images.get(str(baked["image_id"])) if baked else None
        if known is not None:
            return known
        stack = self._stack()
        if self.deployment.journal.last("complete") is None:
            stack = self._create(stack)
            self.deployment.journal.append("complete", outputs=dict(stack.outputs))
            self.crash.point("bake.installed")
        elif stack is None and self.deployment.journal.last("imaged") is None:
            raise OperationError(f"the node of {self.deployment.name} was deleted while it was baked")
        if self.deployment.journal.last("imaging") is None:
            self._stop_clean()
        return self._whole(self._begin())

    def _stack(self) -> Stack | None:
        """The stack of an earlier run, settled; one that failed is cleared away later on."""
        stack = self.deployment.stack(self.cloud.stacks)
        if stack is not None and stack.tags.get(DEPLOYMENT_TAG) != self.deployment.name:
            raise UsageError(f"there is a stack {stack.name} ({stack.id}) that garret did not make", "another --name")
        if stack is None or not stack.status.endswith(IN_PROGRESS) or stack.status.startswith("CREATE_IN"):
            return stack
        return watch_until_settled(self.cloud, stack.id, self.tell, SETTLE_S)

    def _create(self, stack: Stack | None) -> Stack:
        begun = self.deployment.journal.last("baking")
        name = str(begun["image"]) if begun else image_name(self.deployment.name)
        if begun is None:
            self.deployment.journal.append("baking", image=name)
        create = Create(
            self.cloud, self.deployment, self.tell, lambda plan, _: self.confirm(plan, name), self.crash, self.pack,
            lambda region: _refuse_region(region, self.cloud), make_login=lambda *_: NOBODY, bake=name,
        )  # fmt: skip
        if stack is not None and stack.status in ROLLED_BACK:
            create.clear_away(stack, "its stack failed and was rolled back")
            self.deployment.journal.append("baking", image=name)
            stack = None
        spec = self.deployment.spec or self.spec
        return stack if stack and stack.status == "CREATE_COMPLETE" else create.run(spec, stack)

    def _stop_clean(self) -> None:
        """Clean the disk and stop the machine; one that runs is cleaned, whatever an earlier run did to it."""
        machine = machine_of(self.cloud, self.deployment)
        if machine.status in ("Pending", "Starting"):
            machine = wait_for_status(self.cloud, machine.id, "Running")
        if machine.status == "Running":
            self._clean(machine)
            self.deployment.journal.append("cleaned")
            self.crash.point("bake.cleaned")
            # Paid for to the end: it is deleted in minutes, and a disk of a machine that was given up is another thing.
            self.cloud.instances.stop(machine.id, economical=False)
            self.crash.point("bake.stopping")
        elif self.deployment.journal.last("cleaned") is None:
            raise OperationError(f"machine {machine.id} was stopped by somebody else before its disk was cleaned")
        wait_for_status(self.cloud, machine.id, "Stopped")
        self.tell.stage("machine", "done", "stopped")

    def _clean(self, machine: Instance) -> None:
        started = self.cloud.clock.monotonic()
        result = self.cloud.assistant.run(machine.id, CLEAN, timeout_s=CLEAN_S)
        if result.exit_code != 0:
            raise OperationError(f"the disk could not be cleaned: {_why(result.output) or result.error or 'no word'}")
        self.tell.stage("disk cleaned", "done", "", self.cloud.clock.monotonic() - started)

    def _begin(self) -> str:
        """Ask for the image with the token that is on disk, so that asking again after a kill makes no second one."""
        journal = self.deployment.journal
        if made := journal.last("imaged"):
            return str(made["image_id"])
        asked = journal.last("imaging")
        if asked is None:
            machine = machine_of(self.cloud, self.deployment)
            begun = journal.last("baking") or {}
            tags = {**self._contents().tags(), BAKE_TAG: self.deployment.name}
            journal.append(
                "imaging", instance_id=machine.id, name=begun.get("image", ""), tags=tags, token=uuid.uuid4().hex
            )
            asked = journal.last("imaging") or {}
        self.crash.point("bake.journaled")
        image_id = self.cloud.images.create(
            str(asked["instance_id"]), str(asked["name"]), asked["tags"], token=str(asked["token"])
        )
        self.crash.point("bake.sent")
        journal.append("imaged", image_id=image_id)
        return image_id

    def _contents(self) -> Contents:
        """What was installed: by the plan's own runtime, which may be of an earlier run."""
        spec, digest = self.deployment.placed or self.spec, str((self.deployment.plan or {})["bundle_sha256"])
        bundle = Bundle(b"", digest, 0)
        return contents_of(node_config(spec, self.cloud.kind, NOBODY, bundle), bundle)

    def _whole(self, image_id: str) -> Image:
        """Wait until the image is made, and mark its snapshots as its own.

        Raises:
            OperationError: the cloud could not make it.
            NotReady: it is not made in time.
        """
        started, told = self.cloud.clock.monotonic(), ""
        while True:
            image = self.cloud.images.get(image_id)
            if image is not None and image.status == AVAILABLE:
                break
            if image is not None and image.status in BROKEN:
                raise OperationError(f"the cloud could not make the image {image_id}: it is {image.status}")
            waited = self.cloud.clock.monotonic() - started
            if waited > IMAGE_S:
                raise NotReady(f"the image {image_id} is not made after {IMAGE_S:.0f} s")
            progress = image.progress if image else ""
            if progress != told:
                self.tell.stage("image", "running", f"{image_id} {progress}")
                told = progress
            self.cloud.clock.sleep(self.cloud.pause(waited))
        if image.snapshot_ids:
            marks = {SNAPSHOT_TAG: image.id, IMAGE_TAG: image.tags.get(IMAGE_TAG, "")}
            self.cloud.images.mark(image.snapshot_ids, marks)
        self.deployment.journal.append("baked", image_id=image.id)
        self.tell.stage("image", "done", f"{image.id} {image.name}", self.cloud.clock.monotonic() - started)
        self.crash.point("bake.done")
        return image

    def _take_down(self) -> None:
        """Delete the temporary node and all around it, and make sure; also what is half made of an image."""
        Delete(self.cloud, self.deployment, self.tell, lambda _: True, self.crash).run()

    def _taken_down(self, error: GarretError) -> GarretError:
        """The error, when nothing of what failed is left; else with what is."""
        if self.deployment.plan is None and self.deployment.stack(self.cloud.stacks) is None:
            if self.deployment.journal.entries():
                self.deployment.journal.append("abandoned", why="nothing was made")
            return error
        self.tell.say("it failed; everything that was made for it is deleted")
        name = self.deployment.name
        try:
            self._take_down()
        except GarretError as second:
            error.billed = second.billed or "perhaps the machine, its disk and its address"
            error.hint = f"garret delete {name}   (nothing stays); then garret image bake"
            error.message += f"; and it could not all be deleted: {second.message}"
            error.args = (error.message,)
            return error
        error.billed = "nothing"
        error.hint = f"{_again(name)}   (tries anew)"
        return error

    def _interrupted(self) -> Interrupted:
        name = self.deployment.name
        if self.deployment.plan is None:
            return Interrupted("interrupted; nothing was made")
        return Interrupted(
            f"interrupted; the node of {name} goes on",
            f"{_again(name)}   (goes on), or garret delete {name}   (nothing stays)",
            billed="machine, disk and address, each from when it exists",
        )

    def _facts(self, image: Image) -> dict[str, Any]:
        return {
            "image_id": image.id,
            "name": image.name,
            "size_gib": image.size_gib,
            "models": image.tags.get("garret:models", ""),
            "snapshots": list(image.snapshot_ids),
            "region": self.cloud.region,
            "cloud": self.cloud.kind,
        }


def temporary_spec(kind: str, name: str, region: str, said: Mapping[str, Any]) -> DeploymentSpec:
    """The spec of the node that is baked: from the cloud's own image, reached by nobody but its own network.

    Raises:
        SpecError: a field is wrong.
    """
    defaults: dict[str, Any] = {**defaults_on(kind), "image_id": BASE}
    if said.get("charge_type") == "Subscription":
        raise SpecError("charge_type", "a node for minutes is not paid in advance", "PayAsYouGo, or Spot for less")
    inside = str(said.get("vswitch_cidr") or DeploymentSpec.model_fields["vswitch_cidr"].default)
    fixed = {"name": f"{PREFIX}{name}", "region": region, "allow_cidr": (inside,)}
    return parse_spec(defaults | dict(said) | fixed)


def _again(deployment: str) -> str:
    return f"garret image bake --name {deployment.removeprefix(PREFIX)}"


def _refuse_region(region: str, cloud: Cloud) -> Cloud:
    raise UsageError(f"an image belongs to its region, and this bake is in {cloud.region}, not {region}", "--region")


def _why(output: str) -> str:
    """What the node said: the error in its JSON, else its last words."""
    last = output.strip().splitlines()[-1:] or [""]
    try:
        return str(json.loads(last[0])["error"])
    except (ValueError, KeyError, TypeError):
        return last[0][:300]
