"""Generate: words, and pictures to begin from, to pictures on disk."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from garret.client.errors import NotFound
from garret.client.jobs import LOOK_S
from garret.errors import GarretError, NotReady, OperationError, UsageError
from garret.ops.client import Full, client_of, in_words_of_a_command
from garret.ops.deployment import Deployment, flag
from garret.ops.endpoint import Endpoint, endpoint_at
from garret.ops.journal import write_atomic

if TYPE_CHECKING:
    from garret.client.client import Client
    from garret.client.records import Job, Picture
    from garret.ops.cloud import Cloud

LONGEST_NAME = 40
LARGEST_PICTURE = 20_000_000
"""Bytes of a picture's file that a service takes."""


@dataclass(frozen=True)
class Made:
    """The files that were written, the seed of each, and what the service has to say of them."""

    paths: list[Path]
    seeds: list[int]
    notes: dict[str, str]


def endpoint_of(deployment: Deployment) -> Endpoint:
    """Where a deployment answers, as this machine knows it.

    Raises:
        UsageError: it was never ready here.
    """
    login = deployment.login
    if login is None or not login.endpoint:
        raise UsageError(
            f"{deployment.name} has no endpoint that this machine knows", f"garret deploy{flag(deployment.name)}"
        )
    return endpoint_at(login)


def generate(
    deployment: Deployment,
    body: Mapping[str, Any],
    paths: list[Path],
    cloud: Callable[[], Cloud | None] = lambda: None,
    told: Callable[[float, str], None] | None = None,
) -> Made:
    """Ask for as many pictures as there are paths, and write each whole or not at all.

    It waits for as long as the job goes on. The `cloud` is asked for the machine only when nobody answers: an idle
    node has itself stopped. `told` hears of the job's share, 0 to 1, and where it is, every second.

    Raises:
        UsageError: the service refuses the request, in its own words; nothing was written.
        NotReady: nothing answers.
    """
    for path in paths:
        if not path.parent.is_dir():
            raise UsageError(f"{path}: there is no folder {path.parent}", f"mkdir -p {path.parent}")
    try:
        with in_words_of_a_command(), client_of(deployment) as client:
            job, pictures = _made(client, {**body, "batch_size": 1, "n_iter": len(paths)}, told)
    except Full:
        raise
    except NotReady as error:
        raise _why_silent(deployment, error, cloud) from error
    for path, picture in zip(paths, pictures, strict=False):
        write_atomic(path, picture.data, 0o644)
    seeds = [picture.seed for picture in pictures if picture.seed is not None]
    return Made(paths[: len(pictures)], seeds, dict(job.notes))


def _made(
    client: Client, body: Mapping[str, Any], told: Callable[[float, str], None] | None
) -> tuple[Job, list[Picture]]:
    """Wait for the pictures; whoever gives up on the way leaves no job behind."""

    def tell(job: Job) -> None:
        if told is not None and not job.over:
            told(job.share, job.where)

    try:
        job = client.jobs.complete(**body, told=tell, look_s=LOOK_S if told is None else 1.0)
    except NotFound as error:
        if not error.message.startswith("POST /v1/jobs"):
            raise
        raise UsageError(
            "the node runs an older garret, which does not take pictures as jobs",
            "its page and /sdapi/v1/txt2img go on; a node deployed anew has it",
        ) from None
    pictures = client.jobs.pictures(job)
    if not pictures:
        raise OperationError("the service answered without a picture", "garret status")
    return job, pictures


def _why_silent(deployment: Deployment, error: NotReady, cloud: Callable[[], Cloud | None]) -> NotReady:
    again = f"garret ops start{flag(deployment.name)}, then the same again"
    with suppress(GarretError):  # the cloud may be as far away as the node
        where = cloud()
        for machine in where.instances.tagged(deployment.name) if where else ():
            if machine.status in ("Stopping", "Stopped"):
                return NotReady(f"{deployment.name} is {machine.status.lower()}, so nobody makes pictures", again)
    if (last := deployment.journal.entries()[-1:]) and last[0].get("event") == "stopping":
        return NotReady(error.message, f"{again}   (it was stopped from here)")
    return NotReady(error.message, f"garret status {deployment.name}   (says whether it is stopped)")


def file_as_text(path: Path) -> str:
    """A picture's file as base64; the service looks at what is in it.

    Raises:
        UsageError: it cannot be read, or is larger than a service takes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_PICTURE + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "another file") from error
    if len(data) > LARGEST_PICTURE:
        raise UsageError(f"{path} has more than {LARGEST_PICTURE // 1_000_000} MB", "a smaller copy of it, as JPEG")
    return base64.b64encode(data).decode("ascii")


def file_names(output: Path | None, prompt: str, count: int) -> list[Path]:
    """The files to write: `output`, or one named after the prompt that is not there yet; numbered if several."""
    if output is not None:
        return [output] if count == 1 else [_numbered(output, number) for number in range(1, count + 1)]
    words = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:LONGEST_NAME].strip("-") or "picture"
    names: list[Path] = []
    number = 0 if count == 1 else 1
    while len(names) < count:
        path = _numbered(Path(f"{words}.png"), number) if number else Path(f"{words}.png")
        number += 1
        if not path.exists():
            names.append(path)
    return names


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix or '.png'}")
