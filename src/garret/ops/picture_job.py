"""Pictures as a job of a node's service: asked for once, waited for as long as it goes on, and fetched.

The service keeps an accepted job whatever becomes of the connection, so a line that breaks costs nothing: the same
Idempotency-Key leads back to it.
"""

from __future__ import annotations

import http.client
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from garret.errors import GarretError, NotReady, OperationError, UsageError
from garret.ops.endpoint import Endpoint

LOOK_S = 20.0
"""How long the service may hold one answer back while nothing has ended; what lies between holds it open so long."""
STALL_S = 900.0
"""A job that is being made and shows no step for so long is given up; a hung worker was replaced by then."""
QUEUE_S = 3600.0
"""The same for one whose place in line does not change."""
SILENCE_S = 180.0
"""A service that restarts, or a line that is down, may take so long."""
_TRIES = 5
_OURS = ("BadRequest", "UnknownChoice", "NotFound", "ModelError")
_MARKS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


@dataclass
class PictureJob:
    """One request to a service; `told` hears of its share, 0 to 1, and where it is; times are in seconds.

    `seeds` and `notes` are those of the pictures, once they are made.
    """

    endpoint: Endpoint
    body: Mapping[str, Any]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    look_s: float = LOOK_S
    told: Callable[[float, str], None] = lambda _share, _where: None
    url: str = field(default="", init=False)
    seeds: list[int] = field(default_factory=list, init=False)
    notes: dict[str, str] = field(default_factory=dict, init=False)

    def make(self) -> list[bytes]:
        """Return the pictures' files.

        Raises:
            UsageError: the service does not take the request; its own words.
            NotReady: nobody answers, or the job does not go on.
            OperationError: the job has failed.
        """
        try:
            job = self._until_over(self._submit())
        except BaseException:
            self._cancel()
            raise
        if job["state"] != "Success":
            raise _failure(job)
        self.seeds = [one["seed"] for one in job["pictures"] if "seed" in one]
        self.notes = dict(job.get("notes") or {})
        pictures = [self._again(partial(self.endpoint.file, str(one["url"]))) for one in job["pictures"]]
        if not pictures or not all(picture.startswith(_MARKS) for picture in pictures):
            raise OperationError(f"{self.endpoint.url} answered without a picture", "garret status")
        return pictures

    def _submit(self) -> dict[str, Any]:
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        tries = 0
        while True:
            try:
                # Without waiting: whoever gives up from here on knows which job to cancel.
                job = _record(self.endpoint.post("/v1/jobs", dict(self.body), 60, headers=headers))
            except NotReady as error:
                tries += 1
                # The reply was lost on its way: whether the job was accepted, only the service knows.
                if tries >= _TRIES or not _broke(error):
                    raise
                self.sleep(tries)
                continue
            except UsageError as error:
                if error.message.startswith("POST /v1/jobs: Not Found"):
                    text = f"{self.endpoint.url} runs an older garret, which does not take pictures as jobs"
                    raise UsageError(
                        text, "its page and /sdapi/v1/txt2img go on; a node deployed anew has it"
                    ) from None
                raise
            self.url = str(job["url"])
            return job

    def _until_over(self, job: dict[str, Any]) -> dict[str, Any]:
        seen, since = _sign(job), self.clock()
        while job["ended_at"] is None:
            self.told(float((job.get("progress") or {}).get("share", 0.0)), _where(job))
            job = self._again(lambda: _record(self.endpoint.get(f"{self.url}?wait={self.look_s:g}", self.look_s + 30)))
            if _sign(job) != seen:
                seen, since = _sign(job), self.clock()
            patience = QUEUE_S if job["state"] == "Queued" else STALL_S
            if job["ended_at"] is None and self.clock() - since > patience:
                raise NotReady(f"the job has not moved for {patience:.0f} s ({_where(job)})", "garret status")
        return job

    def _again(self, ask: Callable[[], Any]) -> Any:
        """Ask until there is an answer, and no longer than a restart takes."""
        silent_since = self.clock()
        pause = 0.5
        while True:
            try:
                return ask()
            except NotReady:
                if self.clock() - silent_since > SILENCE_S:
                    raise
                self.sleep(pause)
                pause = min(2 * pause, 5.0)

    def _cancel(self) -> None:
        """Leave no job behind that nobody waits for; a node that does not answer will make it in vain."""
        if self.url:
            with suppress(GarretError):
                self.endpoint.delete(self.url, timeout_s=5)


def _record(reply: Any) -> dict[str, Any]:
    """A job's record, with what is read of it there."""
    if not isinstance(reply, dict) or not {"url", "state", "ended_at", "pictures"} <= set(reply):
        raise OperationError("the service answered with something that is not a job", "garret status")
    return reply


def _sign(job: Mapping[str, Any]) -> tuple[object, ...]:
    """What changes as long as a job goes on."""
    progress = job.get("progress") or {}
    return (
        job["state"], job.get("position"), job.get("tries"),
        progress.get("step"), progress.get("stage"), progress.get("pictures_done"),
    )  # fmt: skip


def _where(job: Mapping[str, Any]) -> str:
    if job["state"] == "Queued":
        return f"number {job.get('position')} in line"
    progress = job.get("progress") or {}
    done, count = int(progress.get("pictures_done", 0)), int(progress.get("pictures", 1))
    made = f", {done} of {count} pictures made" if count > 1 else ""
    return f"{progress.get('stage')}, step {progress.get('step')} of {progress.get('steps')}{made}"


def _broke(error: NotReady) -> bool:
    cause = error.__cause__
    lost = isinstance(cause, ConnectionError | http.client.HTTPException)
    return lost and not isinstance(cause, ConnectionRefusedError)


def _failure(job: Mapping[str, Any]) -> GarretError:
    said = job.get("error") or {}
    message = str(said.get("message") or f"the job has ended as {job['state']}")
    if said.get("error") in _OURS:
        return UsageError(message, "garret generate --help")
    return OperationError(f"no picture was made: {message}", "garret status")
