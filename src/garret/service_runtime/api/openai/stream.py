"""Pictures as they come to be: server-sent events of partial images, and of each picture when it is done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from garret.service_runtime.api.events import ALIVE_EVERY_S, LOOK_EVERY_S, change
from garret.service_runtime.api.openai.errors import error_of
from garret.service_runtime.api.openai.fields import Wish
from garret.service_runtime.api.openai.reply import USAGE, event_of, told_of
from garret.service_runtime.asked import Output
from garret.service_runtime.errors import ServiceError, Unavailable
from garret.service_runtime.live import Live
from garret.service_runtime.messages import Previewed
from garret.service_runtime.pictures.encode import Texts, encode_picture
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.service import Service
from garret.service_runtime.terms import Terms

_QUIET_LOOKS = round(ALIVE_EVERY_S / LOOK_EVERY_S)


@dataclass
class Teller:
    """Makes the events of one job, and remembers what of it was told: the last partial image of each picture, the
    number of them, and the pictures that are done. `kind` is what the events' names begin with.
    """

    kind: str
    wish: Wish
    shown: dict[int, Previewed] = field(default_factory=dict)
    partial_images: dict[int, int] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)

    def due(self, live: Live) -> list[Callable[[], bytes]]:
        """Return what makes the events that are due now; each blocks while it encodes."""
        events: list[Callable[[], bytes]] = []
        for number, picture in sorted(live.pictures.items()):
            if number not in self.done:
                self.done.add(number)
                events.append(partial(self.completed, live.request, number, picture))
        for number, preview in live.previews.items():
            if self._is_due(live, number, preview):
                events.append(partial(self._partial, live.request, number, preview, self.partial_images.get(number, 0)))
                self.shown[number] = preview
                self.partial_images[number] = self.partial_images.get(number, 0) + 1
        return events

    def completed(self, request: ImageRequest, number: int, picture: bytes) -> bytes:
        """Return the event of a picture that is done."""
        told = {**told_of(self.wish.quality, request), "usage": USAGE, "seed": request.seed_of(number)}
        return event_of(f"{self.kind}.completed", picture, **told, image_index=number)

    def _is_due(self, live: Live, number: int, preview: Previewed) -> bool:
        """Partial images are spread over the steps: the first one of two comes after a third of them."""
        if number in self.done or number not in live.beside or self.shown.get(number) is preview:
            return False
        share = live.step / (live.steps or live.request.steps)
        sent = self.partial_images.get(number, 0)
        return sent < self.wish.partial_images and share * (self.wish.partial_images + 1) >= sent + 1

    def _partial(self, request: ImageRequest, number: int, preview: Previewed, sent: int) -> bytes:
        output = Output(request.output.format, request.output.quality)
        picture = encode_picture(preview.rgb, preview.width, preview.height, output, Texts())
        told = {**told_of(self.wish.quality, request), "partial_image_index": sent}
        return event_of(f"{self.kind}.partial_image", picture, **told, image_index=number)


class PictureStream(StreamingResponse):
    """The events of one job; when its caller goes, so does the job, unless a key leads to it again."""

    def __init__(self, service: Service, job_id: str, terms: Terms, teller: Teller) -> None:
        headers = {"x-accel-buffering": "no", "x-request-id": job_id}
        super().__init__(events_of(service, job_id, teller), media_type="text/event-stream", headers=headers)
        self._service = service
        self._job_id = job_id
        self._ends_with_caller = terms.attached

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; the job is also cancelled when the connection closes before the first one."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._ends_with_caller:
                self._service.cancel(self._job_id, "the caller went away")


async def events_of(service: Service, job_id: str, teller: Teller) -> AsyncIterator[bytes]:
    """Yield partial images as they are due, each picture when it is done, or the error that the job ends with."""
    quiet = 0
    while (live := service.find(job_id)) is not None and not live.future.done():
        for event in teller.due(live):
            quiet = 0
            yield await asyncio.to_thread(event)
        quiet += 1
        if quiet % _QUIET_LOOKS == 0:
            yield b": still here\n\n"
        await change(service, live.future)
        if service.stopping and not live.future.done():
            yield _error_event(Unavailable("the service is stopping", "Send the request again", retry_after=5))
            return
    try:
        result = await service.records.result(job_id)
    except ServiceError as error:
        yield _error_event(error)
        return
    for number, picture in enumerate(result.pictures):
        if number not in teller.done:
            yield await asyncio.to_thread(teller.completed, result.request, number, picture)


def _error_event(error: ServiceError) -> bytes:
    """Return the event that OpenAI's clients raise as an APIError."""
    return b"event: error\ndata: " + json.dumps({"type": "error", **error_of(error)}).encode() + b"\n\n"
