"""Move: a stopped node goes to another zone with its disk and its address; the old one goes when the new one works.

An image of the disk is made (a snapshot of it, kept whole), the stack lets go of the address, and then has a second
machine made of the image beside the first one. What fails is taken back by the stack itself; the old machine and its
disk stay untouched until the new one has made a picture, and whatever kills us, the same command goes on.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from garret.errors import GarretError, NotReady, OperationError, SpecError, StackFailed
from garret.ops.capacity import Candidate
from garret.ops.cloud import DEPLOYMENT_TAG, Cloud, Instance
from garret.ops.crash import Crash
from garret.ops.deployment import MOVING, Deployment, flag
from garret.ops.own_images import AVAILABLE
from garret.ops.power import machine_of
from garret.ops.records import Image
from garret.ops.stack_change import UPDATE_S, StackChange
from garret.ops.tell import Teller
from garret.ops.variant import as_it_is, elsewhere, with_password
from garret.templates.moving import beside, free_range, other_side, without_address

IMAGE_S = 7200.0
BROKEN = ("CreateFailed", "UnAvailable")


@dataclass
class Move:
    """The move of one deployment's node, as far as the journal says that it has come."""

    cloud: Cloud
    deployment: Deployment
    tell: Teller
    crash: Crash = field(default_factory=Crash)
    stop_here: Callable[[], None] = lambda: None
    """Called between two parts, where it may be cancelled: it raises then."""

    @property
    def begun(self) -> dict[str, Any] | None:
        """The line with which a move began that has not come to its end; None when there is none."""
        return self.deployment.journal.last(MOVING[0]) if self.deployment.is_moving else None

    @property
    def is_made(self) -> bool:
        """Say whether the new node stands, and only the old one is left to go."""
        begun = self.begun
        return begun is not None and as_it_is(self.deployment)["side"] == begun["side"]

    def run(self, machine: Instance, places: Iterable[Candidate]) -> Instance | None:
        """Make the node anew in the first of these places that has one; None when none has, and all is as before.

        Raises:
            OperationError: it failed otherwise; all is as it was before, or it says what is not.
        """
        begun = self._begin(machine)
        try:
            image = self._image(begun)
            self.stop_here()
            self._let_go_of_address(begun)
            for place in places:
                self.stop_here()
                if self._make(begun, image, place):
                    return machine_of(self.cloud, self.deployment)
        except GarretError as error:
            raise self._taken_back(error) from error.__cause__
        self.back()
        return None

    def back(self) -> None:
        """Have everything as it was before the move: the address on the old machine, and no image."""
        begun = self.begun
        if begun is None:
            return
        home = begun["home"]
        self._change().make(home["template"], with_password(self.deployment, home["parameters"]), home)
        self.drop_copy()
        self.deployment.journal.append("not moved")

    def settle(self) -> None:
        """The new node has made a picture: the old one goes with its disk, and the image with its snapshot."""
        begun = self.begun
        if begun is None or not self.is_made:
            return
        made = self.deployment.journal.last("made elsewhere") or {}
        final = made["final"]
        old = begun["instance_id"]
        self.tell.stage("old machine", "running", f"{old} and its disk go: the new one has made a picture")
        self._change().make(final["template"], with_password(self.deployment, final["parameters"]), final)
        self.crash.point("move.settled")
        self.drop_copy()
        self.deployment.journal.append("moved", zone=final["zone"])
        self.tell.stage("old machine", "done", f"{old} is gone, and the image that was made of it")

    def _begin(self, machine: Instance) -> dict[str, Any]:
        begun = self.begun
        if begun is None:
            home = as_it_is(self.deployment)
            self.deployment.journal.append(
                MOVING[0], instance_id=machine.id, token=uuid.uuid4().hex, home=home, side=other_side(home["side"])
            )
            begun = self.begun
        self.crash.point("move.journaled")
        assert begun is not None  # noqa: S101 - it was just written
        return begun

    def _image(self, begun: Mapping[str, Any]) -> Image:
        """The image of the old disk, made once."""
        known = self._image_id(begun)
        if not known:
            name = f"garret-move-{self.deployment.name}-{str(begun['token'])[:8]}"
            tags = {DEPLOYMENT_TAG: self.deployment.name}
            self.deployment.journal.append("move image", image_id="", token=begun["token"], asked=True)
            known = self.cloud.images.create(str(begun["instance_id"]), name, tags, token=str(begun["token"]))
            self.crash.point("move.sent")
            self.deployment.journal.append("move image", image_id=known, token=begun["token"])
        started, told = self.cloud.clock.monotonic(), ""
        while True:
            image = self.cloud.images.get(known)
            if image is not None and image.status == AVAILABLE:
                break
            if image is None or image.status in BROKEN:
                self.deployment.journal.append("move image", image_id="", token=begun["token"])
                raise OperationError(f"the cloud could not copy the disk of {begun['instance_id']} ({known})")
            waited = self.cloud.clock.monotonic() - started
            if waited > IMAGE_S:
                raise NotReady(f"the copy of the disk, {known}, is not made after {IMAGE_S:.0f} s")
            if image.progress != told:
                told = image.progress
                self.tell.stage("disk copied", "running", f"{known} {told}".strip())
            self.cloud.clock.sleep(self.cloud.pause(waited))
        if image.snapshot_ids:
            self.cloud.images.mark(image.snapshot_ids, {DEPLOYMENT_TAG: self.deployment.name})
        waited = self.cloud.clock.monotonic() - started
        self.tell.stage("disk copied", "done", f"{known}, the old disk stays as it is", waited)
        self.crash.point("move.imaged")
        return image

    def _image_id(self, begun: Mapping[str, Any]) -> str:
        last = self.deployment.journal.last("move image") or {}
        return str(last.get("image_id") or "") if last.get("token") == begun["token"] else ""

    def _let_go_of_address(self, begun: Mapping[str, Any]) -> None:
        home = begun["home"]
        text = without_address(home["template"])
        self._change().make(text, with_password(self.deployment, home["parameters"]), home | {"template": text})
        self.crash.point("move.unbound")

    def _make(self, begun: Mapping[str, Any], image: Image, place: Candidate) -> bool:
        """Make the second machine; False when this place turns out to have none, which the stack has taken back."""
        home = begun["home"]
        old = _old_place(self.deployment, home)
        fields = {"zone": place.zone, "instance_type": place.instance_type, **old}
        variant = elsewhere(
            self.cloud, self.deployment, fields, zone=place.zone, image_id=image.id, side=str(begun["side"])
        )
        text = beside(
            variant.template, home["template"], home["side"],
            with_password(self.deployment, home["parameters"]), variant.values,
        )  # fmt: skip
        cost = f", {variant.prices.running.amount:.2f} {variant.prices.running.currency} per hour" if variant.prices \
            else ""  # fmt: skip
        self.tell.say(f"trying {place} ({place.stock}){cost}: a new machine made of the disk, with the same address")
        self.deployment.journal.append("made elsewhere", final=dict(variant.entry))
        try:
            self._change(variant.spec.wait_timeout_s).make(text, variant.values, {**variant.entry, "template": text})
        except StackFailed as error:
            if error.kind != "capacity":
                raise
            self.tell.say(f"{place} is sold out ({error.code or error.reason}); nothing of it stays")
            return False
        self.crash.point("move.made")
        return True

    def drop_copy(self) -> None:
        """Delete the image of the old disk and its snapshot, also those that a kill has left nameless."""
        begun = self.begun
        last = self.deployment.journal.last("move image") or {}
        if begun is None or last.get("token") != begun["token"]:
            return
        if last.get("asked"):  # killed in between: the same token tells its id
            image: Image | None = self._image(begun)
        else:
            image = self.cloud.images.get(str(last["image_id"])) if last.get("image_id") else None
        if image is not None:
            self.cloud.images.delete(image.id, force=True)
            for one in image.snapshot_ids:
                self.cloud.snapshots.delete(one)

    def _taken_back(self, error: GarretError) -> GarretError:
        """The error, with everything as it was before; or with what could not be brought back."""
        name = self.deployment.name
        try:
            self.back()
        except GarretError as second:
            error.message += f"; and it could not all be taken back: {second.message}"
            error.hint = f"garret ops start{flag(name)}   (goes on with that)"
        else:
            error.message += "; the old machine, its disk and its address are as they were"
            error.hint = error.hint or f"garret ops start{flag(name)}"
        error.args = (error.message,)
        return error

    def _change(self, more_s: float = 0.0) -> StackChange:
        again = f"garret ops start{flag(self.deployment.name)}"
        return StackChange(self.cloud, self.deployment, self.tell, self.crash, UPDATE_S + more_s, again)


def _old_place(deployment: Deployment, home: Mapping[str, Any]) -> dict[str, Any]:
    """A range for the new VSwitch, beside the old one that stays for the time being.

    Raises:
        SpecError: the VPC has no room, or the network is the person's own, where garret makes no VSwitch.
    """
    placed = home["placed"]
    if placed.get("vswitch_id"):
        reason = f"{placed['vswitch_id']} lies in {home['zone']}, and garret makes no other in a VPC of your own"
        raise SpecError("vswitch_id", reason, f"garret deploy --name {deployment.name}-2 --vswitch-id …")
    return {"vswitch_cidr": free_range(str(placed["vpc_cidr"]), str(placed["vswitch_cidr"]))}
