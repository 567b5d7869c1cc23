"""Named points at which GARRET_CRASH_AT kills this process as `kill -9` would, so that what is left can be tried."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from garret.errors import UsageError

VARIABLE = "GARRET_CRASH_AT"
POINTS = {
    "deploy.journaled": "the plan and its client token are on disk; the cloud has heard nothing",
    "deploy.created": "the cloud has taken CreateStack; its answer is not on disk",
    "deploy.waiting": "the stack's id is on disk; the stack is being created, the runtime not delivered",
    "deploy.delivered": "the runtime is on the node; the stack is being created",
    "deploy.signalled": "the stack is complete; no picture was made yet",
    "capacity.clearing": "what was begun in a place that is sold out, or is made anew, is being deleted",
    "capacity.abandoned": "nothing of that is left; the next place or node is not planned yet",
    "update.journaled": "the change set and its token are on disk; the cloud has not been asked to carry it out",
    "update.sent": "the cloud has taken ExecuteChangeSet",
    "update.waiting": "the stack is being updated",
    "stop.sent": "the cloud has taken StopInstance",
    "start.sent": "the cloud has taken StartInstance",
    "rotate.sent": "the node has taken the new login; this machine still uses the old one",
    "move.journaled": "that the node moves is on disk, with the token of its disk's image; the cloud has heard nothing",
    "move.sent": "the cloud has taken CreateImage of the disk that moves; its answer is not on disk",
    "move.imaged": "the copy of the disk is whole; the address is still the old machine's",
    "move.unbound": "the address is nobody's; there is no new machine yet",
    "move.made": "the new machine stands beside the old one, and has not been asked for a picture from here",
    "move.settled": "the old machine is gone; the image of its disk is not",
    "schedule.begun": "the cloud has a new schedule; the one before is still there",
    "schedule.cancelled": "one execution of the schedule before is ended, others may still be there",
    "resize.stopped": "the machine is stopped, and its type is still the old one",
    "resize.changed": "the machine has its new type, and is stopped",
    "backup.journaled": "what is to be backed up is on disk, with its token; the cloud has heard nothing",
    "backup.sent": "the cloud has taken CreateSnapshot for a backup; its answer is not on disk",
    "restore.stopped": "the machine is stopped, what is there is backed up, and the disk is what it was",
    "restore.reset": "the disk is what it was at the backup; the machine is stopped",
    "snapshot.journaled": "what is to be kept is on disk, with its token; the cloud has heard nothing",
    "snapshot.sent": "the cloud has taken CreateSnapshot; its answer is not on disk",
    "snapshot.done": "what is kept is whole; nothing is deleted yet",
    "bake.installed": "the temporary node has all that an image holds; its disk is not cleaned yet",
    "bake.cleaned": "the disk is cleaned; the machine runs",
    "bake.stopping": "the cloud has taken StopInstance for a machine that is to become an image",
    "bake.journaled": "what the image is to be is on disk, with its token; the cloud has heard nothing",
    "bake.sent": "the cloud has taken CreateImage; its answer is not on disk",
    "bake.done": "the image is whole; the temporary node is still there",
    "image.deleted": "the image is gone; its snapshots are still there",
    "delete.asked": "that everything goes is on disk; the cloud has heard nothing",
    "delete.sent": "the cloud has taken DeleteStack",
    "delete.done": "the stack is gone; nobody has looked yet whether anything is left",
    "delete.journaled": "nothing is left, and that is on disk; token and password still are, too",
}


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Crash:
    """Whether and where to die."""

    at: str = ""
    die: Callable[[], None] = field(default=_kill_self)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Crash:
        """Read GARRET_CRASH_AT.

        Raises:
            UsageError: there is no such point.
        """
        at = environment.get(VARIABLE, "")
        if at and at not in POINTS:
            raise UsageError(
                f"{VARIABLE}: there is no point {at!r}; points are: {', '.join(POINTS)}", f"unset {VARIABLE}"
            )
        return cls(at)

    def point(self, name: str) -> None:
        """Die here, if here is where to."""
        if name not in POINTS:
            raise KeyError(name)
        if name == self.at:
            self.die()
