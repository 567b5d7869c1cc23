"""Pictures as jobs: asked for once, waited for as long as they go on, and fetched.

The service keeps an accepted job whatever becomes of the connection, so a line that breaks costs nothing.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from garret.client.asking import Asking, part
from garret.client.errors import ClientError, JobFailed, Misused, Stalled, Unreachable, Unreadable, job_error
from garret.client.event_stream import EventReader
from garret.client.operation import operation, stream
from garret.client.records import Job, Picture, PictureFacts
from garret.client.steps import Emit, Open, Pause, Read, Steps, worked

D = TypeVar("D")
Found: TypeAlias = list[Job]
Made: TypeAlias = list[Picture]
Told = Callable[[Job], object]

LOOK_S = 20.0
"""How long the service may hold one answer back while nothing has ended."""
_EVENTS_SILENCE_S = 60.0
"""The service says something at least every 15 s."""
_MARKS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


class Jobs(Asking[D]):
    """`client.jobs`: an id stands for a job wherever one is asked for."""

    @operation
    def submit(
        self, /, prompt: str = "", *, idempotency_key: str = "", webhook: str = "", expires_in: float | None = None,
        **fields: Any,
    ) -> Steps[Job]:  # fmt: skip
        """Ask for pictures and return the job at once; `fields` are those of a request (docs/engine.md).

        Pictures to begin from may be given as bytes or paths (`start={"image": Path("a.png")}`). The same
        `idempotency_key` leads to the same job; without one the call makes its own, so that it may be tried again.

        Raises:
            BadRequest: names the field. Busy: the queue stayed full for as long as the client is patient.
        """
        body = {"prompt": prompt, **fields}
        if webhook:
            body["webhook"] = webhook
        if expires_in is not None:
            body["expires_in"] = expires_in
        body = yield from self._with_pictures(body)
        return Job.read((yield from self.json("POST", "/v1/jobs", body, key=idempotency_key or secrets.token_hex(16))))

    @operation
    def get(self, /, job: Job | str, *, wait_s: float = 0) -> Steps[Job]:
        """Return a job as it is now, or when it is over, or after `wait_s` seconds (at most 300)."""
        return (yield from self._get(job, wait_s))

    @operation
    def list(self, /, *, limit: int = 100, state: str = "", before: Job | str = "") -> Steps[Found]:
        """Return the newest jobs of the caller's: of one state, older than the job `before`."""
        query = {"limit": limit, "state": state, "before": _id(before)}
        return [Job.read(one) for one in (yield from self.json("GET", "/v1/jobs", query=query))]

    @operation
    def wait(self, /, job: Job | str, *, told: Told | None = None, look_s: float = LOOK_S) -> Steps[Job]:
        """Wait until a job is over, through restarts of the service; `told` hears of it every `look_s` seconds.

        Raises:
            JobFailed, JobCancelled, JobExpired: it did not make all its pictures. Stalled: it does not move.
        """
        return (yield from self._wait(job, told, look_s))

    @stream(Job)
    def events(self, /, job: Job | str) -> Steps[None]:
        """Yield the job whenever it has changed, and a last time when it is over; a broken line is taken up again."""
        since, tries = self.manners.clock(), 0
        ask = self.ask("GET", f"/v1/jobs/{_id(job)}/events", timeout_s=_EVENTS_SILENCE_S)
        last: Job | None = None
        while True:
            try:
                reader = EventReader()
                yield from self.manners.answer(Open(ask), repeatable=True, silence_s=0)
                while piece := (yield Read()):
                    since, tries = self.manners.clock(), 0
                    for name, text in reader.feed(piece):
                        seen = Job.read(_parsed(text))
                        if last is None or seen.raw != last.raw:
                            yield Emit(seen)
                        if name == "end":
                            return
                        last = seen
            except Unreachable:
                if self.manners.clock() - since > self.manners.restart_s:
                    raise
            # The service ends the stream when it stops; the job goes on when it is back.
            tries += 1
            yield Pause(min(0.25 * 2**tries, 5.0))

    @operation
    def picture(self, /, job: Job | str, number: int = 0) -> Steps[Picture]:
        """Return one finished picture; the first is 0, and they can be had while the rest is being made."""
        seen = job if isinstance(job, Job) else (yield from self._get(job, 0))
        facts = next((one for one in seen.pictures if one.number == number), None)
        if facts is None:
            facts = PictureFacts(number, f"/v1/jobs/{seen.id}/pictures/{number}", "", 0, None, "")
        return (yield from self._picture(seen, facts))

    @operation
    def pictures(self, /, job: Job | str) -> Steps[Made]:
        """Return all finished pictures of a job."""
        seen = job if isinstance(job, Job) and job.over else (yield from self._get(job, 0))
        return (yield from self._pictures(seen))

    @operation
    def preview(self, /, job: Job | str, *, number: int | None = None) -> Steps[bytes | None]:
        """Return what the newest picture looks like so far, as a small PNG; None while there is nothing to see."""
        reply = yield from self.reply("GET", f"/v1/jobs/{_id(job)}/preview", query={"number": number})
        return reply.body or None

    @operation
    def cancel(self, /, job: Job | str) -> Steps[bool]:
        """Stop a job at its next step, and say whether it was still going on."""
        return bool((yield from self.json("DELETE", f"/v1/jobs/{_id(job)}"))["cancelled"])

    @operation
    def forget(self, /, job: Job | str) -> Steps[bool]:
        """Delete a job that is over, with its pictures, and say whether it is gone."""
        return bool((yield from self.json("DELETE", f"/v1/jobs/{_id(job)}", query={"forget": "true"}))["forgotten"])

    @operation
    def make(
        self, /, prompt: str = "", *, told: Told | None = None, look_s: float = LOOK_S, **fields: Any
    ) -> Steps[Made]:
        """Ask for pictures, wait for them and return them; whoever gives up waiting leaves no job behind.

        Raises:
            BadRequest, Busy, JobFailed, Stalled: as `submit` and `wait`.
        """
        return (yield from self.making(prompt, told, look_s, fields))

    @operation
    def complete(
        self, /, prompt: str = "", *, told: Told | None = None, look_s: float = LOOK_S, **fields: Any
    ) -> Steps[Job]:
        """Do as `make`, and return the job with its pictures still on the node."""
        return (yield from self._completed(prompt, told, look_s, fields))

    @operation
    def keep_input(self, /, picture: bytes | str | Path, *, mask: bool = False) -> Steps[str]:
        """Send a picture to begin from, once, and return the SHA-256 that requests name it by for an hour."""
        return (yield from self._kept(picture, mask=mask))

    def making(self, prompt: str, told: Told | None, look_s: float, fields: Mapping[str, Any]) -> Steps[Made]:
        """What `make` does, for other definitions."""
        return (yield from self._pictures((yield from self._completed(prompt, told, look_s, fields))))

    def _completed(self, prompt: str, told: Told | None, look_s: float, fields: Mapping[str, Any]) -> Steps[Job]:
        job = yield from Jobs.submit.steps(self, prompt, **fields)
        try:
            return (yield from self._wait(job, told, look_s))
        except (JobFailed, GeneratorExit):
            raise
        except BaseException:
            # A node that does not answer will make it in vain.
            with suppress(ClientError):
                yield self.ask("DELETE", f"/v1/jobs/{part(job.id)}", timeout_s=5)
            raise

    def _get(self, job: Job | str, wait_s: float, silence_s: float | None = None) -> Steps[Job]:
        query = {"wait": f"{wait_s:g}" if wait_s else ""}
        timeout_s = max(self.manners.timeout_s, wait_s + 30)
        said = yield from self.json(
            "GET", f"/v1/jobs/{_id(job)}", query=query, timeout_s=timeout_s, silence_s=silence_s
        )
        return Job.read(said)

    def _wait(self, job: Job | str, told: Told | None, look_s: float) -> Steps[Job]:
        manners = self.manners
        seen = job if isinstance(job, Job) else (yield from self._get(job, 0))
        sign, since = seen.sign, manners.clock()
        while not seen.over:
            if told is not None:
                told(seen)
            # What was accepted is kept: a service that restarts may take its time.
            seen = yield from self._get(seen, look_s, manners.restart_s)
            if seen.sign != sign:
                sign, since = seen.sign, manners.clock()
            patience = manners.queue_s if seen.state == "Queued" else manners.stall_s
            if not seen.over and manners.clock() - since > patience:
                raise Stalled(f"the job has not moved for {patience:.0f} s ({seen.where})", "jobs.cancel gives it up")
        if not seen.succeeded:
            raise job_error(seen)
        if told is not None:
            told(seen)
        return seen

    def _pictures(self, job: Job) -> Steps[Made]:
        found: Made = []
        for facts in job.pictures:
            found.append((yield from self._picture(job, facts)))
        return found

    def _picture(self, job: Job, facts: PictureFacts) -> Steps[Picture]:
        path = f"/v1/jobs/{part(job.id)}/pictures/{facts.number}"
        reply = yield from self.reply("GET", path, silence_s=self.manners.restart_s)
        if not reply.body.startswith(_MARKS):
            raise Unreadable(f"GET {path} is answered without a picture")
        kind = facts.media_type or reply.headers.get("content-type", "")
        return Picture(reply.body, kind, facts.number, facts.seed, facts.infotext, job.id)

    def _with_pictures(self, body: Mapping[str, Any]) -> Steps[dict[str, Any]]:
        """Return the body with digests in the places of the files that were given."""
        upscale, start = body.get("upscale"), body.get("start")
        if isinstance(upscale, Mapping) and isinstance(upscale.get("image"), (bytes, Path)):
            # Within the request, because the service also reads how the picture was made, and says so in the new one.
            body = {**body, "upscale": {**upscale, "image": (yield from _text_of(upscale["image"]))}}
        if not isinstance(start, Mapping):
            return dict(body)
        start = {**start}
        if isinstance(start.get("image"), (bytes, Path)):
            start["image"] = yield from self._kept(start["image"])
        mask = start.get("mask")
        if isinstance(mask, Mapping) and isinstance(mask.get("image"), (bytes, Path)):
            start["mask"] = {**mask, "image": (yield from self._mask(mask))}
        return {**body, "start": start}

    def _mask(self, mask: Mapping[str, Any]) -> Steps[str]:
        """Return what stands for a mask: where black is repainted, the file itself, since only the request says so."""
        if not mask.get("invert"):
            return (yield from self._kept(mask["image"], mask=True))
        return (yield from _text_of(mask["image"]))

    def _kept(self, picture: bytes | str | Path, *, mask: bool = False) -> Steps[str]:
        data = yield from _bytes(picture)
        said = yield from self.json("PUT", "/v1/inputs", data, query={"kind": "mask" if mask else ""})
        return str(said["sha256"])


def _text_of(picture: bytes | str | Path) -> Steps[str]:
    return base64.b64encode((yield from _bytes(picture))).decode("ascii")


def _bytes(picture: bytes | str | Path) -> Steps[bytes]:
    if isinstance(picture, bytes):
        return picture
    path = Path(picture)
    try:
        return (yield from worked(path.read_bytes))
    except OSError as error:
        raise Misused(f"{path}: {error.strerror}", "Give the path of a picture") from error


def _id(job: Job | str) -> str:
    return job.id if isinstance(job, Job) else part(job)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Unreadable("an event is not JSON") from None
