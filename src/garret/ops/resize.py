"""Resize: another instance type for the node that is there, with the stop and start that it needs; or back again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from garret.errors import CloudError, GarretError, NotReady, OperationError, SpecError, StackFailed, UsageError
from garret.ops.aliyun.error_classes import classify
from garret.ops.capacity import WORDS, shelves
from garret.ops.cloud import Cloud, Instance
from garret.ops.crash import Crash
from garret.ops.deployment import PICTURE_FILE, Deployment, flag
from garret.ops.endpoint import endpoint_at
from garret.ops.node_prices import tell_prices
from garret.ops.power import is_to_run, machine_of, wait_for_status
from garret.ops.stack_change import StackChange
from garret.ops.standstill import stand_still
from garret.ops.tell import Teller
from garret.ops.variant import Variant, as_it_is, of_type, with_password
from garret.ops.wait_ready import READY_S, wait_ready
from garret.ops.work import Work

_ENDS = ("resized", "not resized")
_BILLED = "disk and address, and the machine as long as it is stopped with its place kept"


def run(work: Work) -> dict[str, Any]:
    """The verb `resize`: `instance_type`, and `now` for not waiting until the node has finished what it does."""
    resize = Resize(
        work.cloud, work.deployment, work.tell, str(work.parameters["instance_type"]), work.crash,
        now=bool(work.parameters.get("now")), stop_here=work.stop_here,
    )  # fmt: skip
    return resize.run()


@dataclass
class Resize:
    """One run of resize; `now` does not wait for jobs that run."""

    cloud: Cloud
    deployment: Deployment
    tell: Teller
    wanted: str
    crash: Crash = field(default_factory=Crash)
    now: bool = False
    stop_here: Callable[[], None] = lambda: None

    def proposal(self) -> dict[str, Any] | None:
        """What would change, with the prices; None when the type is what it is to be. Nothing is written.

        Raises:
            SpecError: the zone does not sell the type or has none now, or it costs more than the limit.
        """
        begun = self._begun()
        if begun is None and self._type() == self.wanted:
            return None
        self._check(begun)
        variant, machine = self._variant(), machine_of(self.cloud, self.deployment)
        return {
            "name": self.deployment.name,
            "before": self._type(),
            "after": self.wanted,
            "zone": machine.zone,
            "running": machine.status == "Running",
            "price_before": (self.deployment.plan or {}).get("price"),
            "prices": variant.prices.to_dict() if variant.prices else None,
        }

    def run(self) -> dict[str, Any]:
        """Change the type; a node that ran makes a picture afterwards, one that was stopped stays so.

        Raises:
            OperationError: it could not be done; the node is as it was before, or it says how it is.
        """
        with self.deployment.journal.locked():
            self._change().finish_begun()
            begun, machine = self._begun(), machine_of(self.cloud, self.deployment)
            if begun is None and machine.instance_type == self.wanted == self._type():
                return self._facts(machine, changed=False, before=self.wanted)
            self._check(begun)
            if begun is None:
                runs = is_to_run(self.deployment, machine)
                self.deployment.journal.append("resizing", to=self.wanted, home=as_it_is(self.deployment), runs=runs)
                begun = self._begun() or {}
            return self._carry_out(begun, machine)

    def _carry_out(self, begun: Mapping[str, Any], machine: Instance) -> dict[str, Any]:
        before = str(begun["home"]["placed"]["instance_type"])
        variant = self._variant()
        self._stop(machine)
        self.crash.point("resize.stopped")
        try:
            self._change().make(variant.template, with_password(self.deployment, variant.values), variant.entry)
            self.crash.point("resize.changed")
            machine = self._start() if begun["runs"] else machine_of(self.cloud, self.deployment)
        except NotReady as error:
            error.billed = error.billed or _BILLED
            raise
        except GarretError as error:
            raise self._gone_back(begun, error) from error.__cause__
        if begun["runs"]:
            self._picture()
        self.deployment.journal.append("resized", to=self.wanted)
        if begun["runs"]:
            tell_prices(self.deployment)
        return self._facts(machine, changed=True, before=before)

    def _stop(self, machine: Instance) -> None:
        stand_still(self.cloud, self.deployment, machine, self.tell, self.stop_here, now=self.now)

    def _start(self) -> Instance:
        machine = machine_of(self.cloud, self.deployment)
        if machine.status == "Stopped":
            self.tell.stage("machine", "running", f"starting {machine.id} as {machine.instance_type}")
            try:
                self.cloud.instances.start(machine.id)
            except CloudError as error:
                if error.code != "IncorrectInstanceStatus":
                    raise
        machine = wait_for_status(self.cloud, machine.id, "Running")
        self.tell.stage("machine", "done", f"running as {machine.instance_type}")
        return machine

    def _gone_back(self, begun: Mapping[str, Any], error: GarretError) -> OperationError:
        """The error, with the node as it was before; or with how it is."""
        home = begun["home"]
        before = str(home["placed"]["instance_type"])
        self.tell.say(f"{self.wanted} does not start ({error.message}); back to {before}")
        try:
            self._change().make(home["template"], with_password(self.deployment, home["parameters"]), home)
            if begun["runs"]:
                self._start()
                self._picture()
        except GarretError as second:
            return OperationError(
                f"{error.message}; and it could not go back to {before}: {second.message}; nothing is lost",
                f"garret ops start{flag(self.deployment.name)} --fallback-type {self.wanted} --move-zone",
                billed=_BILLED,
            )
        self.deployment.journal.append("not resized", why=error.message)
        state = "runs again" if begun["runs"] else "is stopped"
        sold_out = (isinstance(error, StackFailed) and error.kind == "capacity") or (
            isinstance(error, CloudError) and classify("StartInstance", error.code).kind == "capacity"
        )  # fmt: skip
        why = f"{self.wanted} is sold out" if sold_out else error.message
        return OperationError(
            f"{why}; {self.deployment.name} {state} as {before}", "another type, or the same later: garret ops resize"
        )

    def _picture(self) -> None:
        login = self.deployment.login
        if login is None or not login.endpoint:
            return
        path = self.deployment.journal.folder / PICTURE_FILE
        wait_ready(endpoint_at(login), path, self.cloud.clock, self.tell, READY_S)
        self.deployment.journal.append("ready", picture=str(path), endpoint=login.endpoint)

    def _check(self, begun: Mapping[str, Any] | None) -> None:
        """Refuse what cannot be, before anything is stopped."""
        placed, name = self.deployment.placed, self.deployment.name
        if placed is None or self.deployment.journal.last("complete") is None:
            raise UsageError(f"{name} is not deployed", f"garret deploy {name}")
        if self.deployment.is_moving:
            raise UsageError(f"{name} is on its way to another zone", f"garret ops start{flag(name)}   (ends it)")
        if placed.charge_type == "Subscription":
            raise UsageError(
                f"{name} is paid in advance: another type is a matter of its price", "the ECS console, or a new node"
            )
        if begun is not None:
            return
        shelf, zone = shelves(placed, self.cloud.catalog), str((self.deployment.plan or {}).get("zone"))
        if self.wanted not in shelf:
            known = ", ".join(sorted(shelf)) or "none"
            raise SpecError("instance_type", f"{self.cloud.region} does not sell {self.wanted!r}; it sells: {known}")
        if shelf[self.wanted].get(zone) not in WORDS:
            stocked = [other for other, word in shelf[self.wanted].items() if word in WORDS]
            where = f"; zones that have: {', '.join(stocked)}" if stocked else ""
            raise SpecError(
                "instance_type", f"{zone} has no {self.wanted} now, and the disk is there{where}; nothing was changed",
                "another type, or later",
            )  # fmt: skip

    def _begun(self) -> dict[str, Any] | None:
        """The line of a resize that was cut off, if it was to this type."""
        lines = [one for one in self.deployment.journal.entries() if one["event"] in ("resizing", *_ENDS)]
        last = lines[-1] if lines else {}
        return last if last.get("event") == "resizing" and last.get("to") == self.wanted else None

    def _type(self) -> str:
        placed = self.deployment.placed
        return placed.instance_type if placed else ""

    def _variant(self) -> Variant:
        return of_type(self.cloud, self.deployment, self.wanted, wished=True)

    def _facts(self, machine: Instance, *, changed: bool, before: str) -> dict[str, Any]:
        plan = self.deployment.plan or {}
        runs = machine.status == "Running"
        stopped = (plan.get("prices") or {}).get("stopped_per_hour")
        return {
            "name": self.deployment.name,
            "state": "running" if runs else "stopped",
            "changed": changed,
            "before": before,
            "instance_type": machine.instance_type,
            "instance_id": machine.id,
            "zone": machine.zone,
            "price_per_hour": plan.get("price") if runs else stopped or plan.get("price"),
        }

    def _change(self) -> StackChange:
        again = f"garret ops resize {self.wanted}{flag(self.deployment.name)}"
        return StackChange(self.cloud, self.deployment, self.tell, self.crash, again=again)
