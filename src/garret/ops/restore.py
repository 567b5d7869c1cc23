"""Restore: the node's disk becomes again what it was at a backup; what it is now is backed up before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from garret.errors import CloudError, GarretError, NotReady, OperationError, UsageError
from garret.ops import autostop
from garret.ops.after_restore import picture_of, tell_autostop
from garret.ops.backup import backups, disk_of, fact_of, take
from garret.ops.cloud import Cloud, Instance
from garret.ops.crash import Crash
from garret.ops.deployment import PICTURE_FILE, Deployment, flag
from garret.ops.node_prices import tell_prices
from garret.ops.power import is_to_run, machine_of, wait_for_status
from garret.ops.records import Snapshot
from garret.ops.standstill import stand_still
from garret.ops.tell import Teller
from garret.ops.work import Work

RESET_S = 1800.0
IN_USE = "In_use"
_ENDS = ("restored", "not restored")


def run(work: Work) -> dict[str, Any]:
    """The verb `restore`: `backup` is an id, empty for the newest; with `safety` what is there is backed up before."""
    restore = Restore(
        work.cloud, work.deployment, work.tell, str(work.parameters.get("backup") or ""), work.crash,
        safety=bool(work.parameters.get("safety", True)), now=bool(work.parameters.get("now")),
        stop_here=work.stop_here,
    )  # fmt: skip
    return restore.run()


@dataclass
class Restore:
    """One run of restore; `safety` backs up what is there now before it goes, `now` does not wait for running jobs."""

    cloud: Cloud
    deployment: Deployment
    tell: Teller
    wanted: str = ""
    crash: Crash = field(default_factory=Crash)
    safety: bool = True
    now: bool = False
    stop_here: Callable[[], None] = lambda: None

    def choice(self) -> Snapshot:
        """The backup that is meant.

        Raises:
            UsageError: there is none such, or it is of another disk than the node's.
        """
        known = backups(self.cloud, self.deployment)
        chosen = next((one for one in known if self.wanted in ("", one.id)), None)
        name = self.deployment.name
        if chosen is None:
            ids = ", ".join(one.id for one in known) or "none"
            what = f"{name} has no backup {self.wanted}; there are: {ids}" if self.wanted else f"{name} has no backup"
            raise UsageError(what, f"garret ops backup{flag(name)}")
        disk = disk_of(self.cloud, self.deployment)
        if chosen.disk_id != disk.id:
            raise UsageError(
                f"{chosen.id} is of disk {chosen.disk_id}, and the node's is {disk.id} since it was moved or "
                "made anew: the cloud brings a disk back only to what it was itself",
                "make a disk of the snapshot in the ECS console, or take a newer one: garret ops backup --list",
            )
        return chosen

    def run(self) -> dict[str, Any]:
        """Stop the node, bring its disk back, and start it again if it ran; killed in between, the same goes on.

        Raises:
            OperationError: it could not be done; says what the node is now, and how to go back.
        """
        with self.deployment.journal.locked():
            if self.deployment.is_moving:
                name = self.deployment.name
                raise UsageError(f"{name} is on its way to another zone", f"garret ops start{flag(name)}   (ends it)")
            begun, machine = self._begin()
            self._stop(machine)
            if self.safety and not begun.get("safety"):
                begun = self._keep(begun)
            self.crash.point("restore.stopped")
            self._reset(begun)
            autostop.is_forgotten(self.deployment)
            self.crash.point("restore.reset")
            if begun["runs"]:
                self._start(begun)
            self.deployment.journal.append("restored", backup=begun["backup"])
            return self._facts(begun)

    def _begin(self) -> tuple[dict[str, Any], Instance]:
        begun, machine = self._begun(), machine_of(self.cloud, self.deployment)
        if begun is None or (self.wanted and begun["backup"] != self.wanted):
            chosen = self.choice()
            runs = is_to_run(self.deployment, machine)
            self.deployment.journal.append(
                "restoring", backup=chosen.id, made_at=chosen.created_at, disk_id=chosen.disk_id, runs=runs, safety=""
            )
            begun = self._begun() or {}
        return begun, machine

    def _begun(self) -> dict[str, Any] | None:
        lines = [one for one in self.deployment.journal.entries() if one["event"] in ("restoring", *_ENDS)]
        return lines[-1] if lines and lines[-1]["event"] == "restoring" else None

    def _stop(self, machine: Instance) -> None:
        stand_still(self.cloud, self.deployment, machine, self.tell, self.stop_here, now=self.now)

    def _keep(self, begun: Mapping[str, Any]) -> dict[str, Any]:
        """Back up what is there now; the line of this restore, with that in it."""
        self.tell.say("first a backup of what is there now, so that nothing is lost")
        try:
            made = take(self.cloud, self.deployment, self.tell, self.crash, after="restoring")
        except GarretError as error:
            raise self._given_up(begun, error) from error.__cause__
        self.deployment.journal.append("restoring", **{**_plain(begun), "safety": made.id})
        return self._begun() or dict(begun)

    def _given_up(self, begun: Mapping[str, Any], error: GarretError) -> GarretError:
        """The error, with the node running again if it ran: stopped with its place kept, it is paid for."""
        self.deployment.journal.append("not restored", why=error.message)
        error.message += "; the disk is as it was"
        if begun["runs"]:
            try:
                self._start(begun)
                error.message += f", and {self.deployment.name} runs again"
            except GarretError as second:
                error.message += f"; and the node could not be started again: {second.message}"
                error.hint = f"garret ops start{flag(self.deployment.name)}"
                error.billed = "disk, address, and the machine: it is stopped with its place kept"
        error.args = (error.message,)
        return error

    def _reset(self, begun: Mapping[str, Any]) -> None:
        """Have the disk go back, and wait for it; done twice, it is the same disk."""
        started = self.cloud.clock.monotonic()
        self.tell.stage("disk", "running", f"back to {begun['backup']} of {str(begun['made_at'])[:16]}")
        try:
            self.cloud.snapshots.reset(str(begun["disk_id"]), str(begun["backup"]))
        except CloudError as error:
            if error.code != "IncorrectDiskStatus":  # it is under way, from a run that was killed
                raise self._given_up(begun, error) from error.__cause__
        while disk_of(self.cloud, self.deployment).status not in ("", IN_USE):
            waited = self.cloud.clock.monotonic() - started
            if waited > RESET_S:
                raise NotReady(
                    f"disk {begun['disk_id']} is not back after {RESET_S:.0f} s",
                    f"garret ops restore {begun['backup']}{flag(self.deployment.name)}   (goes on)",
                )
            self.cloud.clock.sleep(self.cloud.pause(waited))
        self.tell.stage(
            "disk", "done", f"as it was at {str(begun['made_at'])[:16]}", self.cloud.clock.monotonic() - started
        )

    def _start(self, begun: Mapping[str, Any]) -> None:
        machine = machine_of(self.cloud, self.deployment)
        if machine.status == "Stopped":
            self.cloud.instances.start(machine.id)
        wait_for_status(self.cloud, machine.id, "Running")
        self.tell.stage("machine", "done", "running")
        login, journal = self.deployment.login, self.deployment.journal
        if login is None or not login.endpoint:
            return
        try:
            picture_of(self.cloud, self.deployment, login, journal.folder / PICTURE_FILE, self.tell)
        except OperationError as error:
            back = f"garret ops restore {begun['safety']}{flag(self.deployment.name)}" if begun.get("safety") else ""
            error.hint = f"back to how it was: {back}" if back else error.hint
            raise
        journal.append("ready", picture=str(journal.folder / PICTURE_FILE), endpoint=login.endpoint)
        tell_autostop(self.deployment, self.tell)
        tell_prices(self.deployment)

    def _facts(self, begun: Mapping[str, Any]) -> dict[str, Any]:
        found = {one.id: fact_of(one) for one in backups(self.cloud, self.deployment)}
        return {
            "name": self.deployment.name,
            "state": "running" if begun["runs"] else "stopped",
            "changed": True,
            "restored": found.get(str(begun["backup"])),
            "safety": found.get(str(begun.get("safety") or "")),
            "endpoint": self.deployment.login.endpoint if self.deployment.login else "",
        }


def _plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in ("event", "at")}
