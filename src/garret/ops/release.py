"""Deleted some time after its stop: by the cloud itself, at a time set on the machine, so that nobody has to run then.

A release takes the machine and its disk, models included; the address stays, and is billed, until `garret delete`.
That a machine which is needed is released is the worse of the two mistakes: so a release is taken back before a start
is asked for, and set only after a stop is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from garret.errors import GarretError
from garret.ops.cloud import Cloud, Instance
from garret.ops.deployment import Deployment

SOONEST = timedelta(minutes=32)
"""The cloud takes nothing sooner than half an hour ahead."""
LEFT = "its address stays, and is billed: garret delete ends that"


def delete_after_s(deployment: Deployment) -> float:
    """How long after a stop the machine is to be deleted, as `ops autostop` was told last; 0 for never."""
    known = deployment.journal.last("autostop") or {}
    return float((known.get("settings") or {}).get("delete_after_s") or 0)


def set_after_stop(cloud: Cloud, deployment: Deployment, machine: Instance) -> str:
    """Have a machine that is stopped released when that was asked for; the time, or nothing. One that is set stays."""
    wait = delete_after_s(deployment)
    if machine.release_at or not wait:
        return machine.release_at
    at = text_of(datetime.now(UTC) + timedelta(seconds=wait))
    cloud.instances.release(machine.id, at)
    return at


@contextmanager
def held_back(cloud: Cloud, machine: Instance) -> Iterator[None]:
    """Take a release back, and set it again where what is done in between fails: it is stopped still."""
    if not machine.release_at:
        yield
        return
    cloud.instances.release(machine.id, "")
    try:
        yield
    except GarretError:
        at = max(when(machine.release_at), datetime.now(UTC) + SOONEST)
        with suppress(GarretError):  # why the start failed is what is told; `garret ops stop` sets it as well
            cloud.instances.release(machine.id, text_of(at))
        raise


def when(text: str) -> datetime:
    """A time as the cloud writes it, to the minute or to the second."""
    return datetime.fromisoformat(text).astimezone(UTC)


def text_of(moment: datetime) -> str:
    """A time as the cloud takes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
