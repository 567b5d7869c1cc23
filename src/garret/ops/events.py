"""Events: what the cloud did with a deployment's stacks, and what garret did, in one line of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from garret.errors import CloudError
from garret.ops.cloud import Cloud, StackEvent
from garret.ops.deployment import Deployment
from garret.ops.failure import part_name, request_id_in
from garret.ops.stack_states import IN_PROGRESS
from garret.ops.watch import STACK_KIND

GARRET, CLOUD = "garret", "cloud"
_GONE = ("StackNotFound", "StackNotFound.NotFound")
# What garret's own notes say to a person; {…} are the note's fields.
_WORDS = {
    "planned": "planned and confirmed, in zone {zone}",
    "created": "CreateStack was taken: stack {stack_id}",
    "delivered": "the runtime was sent",
    "complete": "the stack is complete",
    "ready": "ready: a picture was made, {picture}",
    "stopping": "StopInstance was asked for {instance_id}",
    "starting": "StartInstance was asked for {instance_id}",
    "restarting": "the service on {instance_id} was asked to begin anew",
    "keeping": "a snapshot of disk {disk_id} was asked for",
    "kept": "snapshot {snapshot_id} of disk {disk_id} was begun",
    "unkept": "the snapshot of disk {disk_id} broke",
    "baking": "an image {image} was asked for",
    "cleaned": "the disk was cleaned of whose it was",
    "imaging": "CreateImage was decided for {instance_id}: {name}",
    "imaged": "CreateImage was taken: image {image_id}",
    "baked": "the image {image_id} is whole",
    "deleting": "DeleteStack was asked for {stack_id}",
    "deleted": "deleted; nothing of it was left",
    "abandoned": "given up: {why}",
}
_LONG = ("template", "parameters", "spec", "outputs", "bundle_sha256", "bundle_url", "token", "at", "event", "price")


@dataclass(frozen=True)
class Line:
    """One thing that happened: when (ISO, UTC), who did it, to what, and in which words."""

    id: str
    at: str
    who: str
    what: str
    status: str
    text: str
    failed: bool = False
    request_id: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The `--json` form."""
        return asdict(self)


def events(cloud: Cloud | None, deployment: Deployment) -> list[Line]:
    """Everything that is known to have happened, oldest first; `cloud` is None where there cannot be one."""
    lines = [_own(number, entry) for number, entry in enumerate(deployment.journal.history())]
    for stack_id in _stack_ids(cloud, deployment):
        lines += [_theirs(stack_id, event) for event in _asked(cloud, stack_id)]
    return sorted(lines, key=lambda line: line.at)  # stable: within a second, each in its own order


def follow(cloud: Cloud, deployment: Deployment) -> Iterator[Line]:
    """The same, and then what is new, until nothing is in progress any more."""
    told: set[str] = set()
    while True:
        stack = cloud.stacks.find(deployment.stack_name)
        settled = stack is None or not stack.status.endswith(IN_PROGRESS)
        for line in events(cloud, deployment):  # asked after the status: the last event is among them
            if line.id not in told:
                told.add(line.id)
                yield line
        if settled:
            return
        cloud.clock.sleep(cloud.poll_s)


def _stack_ids(cloud: Cloud | None, deployment: Deployment) -> list[str]:
    """The stacks that this name ever had, as far as garret's notes and the cloud know."""
    if cloud is None:
        return []
    known = [str(entry["stack_id"]) for entry in deployment.journal.history() if entry.get("stack_id")]
    stack = cloud.stacks.find(deployment.stack_name)
    return list(dict.fromkeys([*known, *([stack.id] if stack else [])]))


def _asked(cloud: Cloud | None, stack_id: str) -> list[StackEvent]:
    try:
        return cloud.stacks.events(stack_id) if cloud else []
    except CloudError as error:
        if error.code in _GONE:
            return []  # deleted so long ago that the cloud has forgotten it
        raise


def _own(number: int, entry: dict[str, Any]) -> Line:
    event = str(entry["event"])
    fields = {name: value for name, value in entry.items() if isinstance(value, (str, int, float))}
    try:
        text = _WORDS[event].format(**fields)
    except KeyError:  # a note of a newer garret, or one with less in it
        rest = (f"{name} {value}" for name, value in fields.items() if name not in _LONG)
        text = f"{event}: {', '.join(rest)}" if fields.keys() - set(_LONG) else event
    return Line(f"journal-{number}", _utc(str(entry.get("at", ""))), GARRET, "", event, text)


def _theirs(stack_id: str, event: StackEvent) -> Line:
    failed = event.status.endswith("_FAILED")
    what = "stack" if event.kind == STACK_KIND else part_name(event)
    text = event.reason if failed or event.kind == STACK_KIND else ""
    return Line(
        f"{stack_id}/{event.id}", _utc(event.at), CLOUD, what, event.status, text, failed, request_id_in(event.reason)
    )


def _utc(text: str) -> str:
    """A time as ISO to the second with a Z: the cloud's have no zone, ours have fractions."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
