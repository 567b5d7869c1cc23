"""One worker process: reads batches from its socket, runs the engine, sends back steps and pictures.

The main thread runs the engine; a second one reads the socket, so that a cancel is heard in the middle of a batch and
the end of the API process ends the worker, even one that hangs.
"""

from __future__ import annotations

import gc
import logging
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from garret.service_runtime.engine.base import Engine, Fatal, Image, Preview, Rest, Step
from garret.service_runtime.errors import ServiceError
from garret.service_runtime.extensions.loading import Extensions
from garret.service_runtime.extensions.pictures import change_picture, extensions_of_worker
from garret.service_runtime.extensions.safety import OFF, judged
from garret.service_runtime.logs import set_up
from garret.service_runtime.messages import (
    LENGTHS,
    Cancel,
    Denoised,
    Done,
    Failed,
    Made,
    Message,
    Previewed,
    Ready,
    Run,
    Status,
    Stepped,
    Unload,
    check_lengths,
    decode,
    encode,
)
from garret.service_runtime.settings import ServiceSettings

logger = logging.getLogger(__name__)

EXIT_DEVICE_LOST = 75
EXIT_UNSAID = 76
PREVIEW_EVERY_S = 0.5
_FAR_BACK = 1000


def build_engine(settings: ServiceSettings) -> Engine:
    """Return the engine that the settings name."""
    if settings.engine == "fake":
        from garret.service_runtime.engine.fake import FakeEngine

        return FakeEngine(
            settings.fake_seconds,
            settings.fake_faults,
            settings.fake_load_seconds,
            settings.fake_finish_seconds,
            settings.fake_picture,
        )
    from garret.service_runtime.engine.sdxl import SdxlEngine, Tuning

    tuning = Tuning(
        precision=settings.precision,
        memory_bytes=settings.memory_bytes,
        compile=settings.compile,
        compiled_dir=settings.state_dir / "compiled",
        compiled_seed=settings.compiled_seed_dir,
    )
    return SdxlEngine(settings.device, settings.config_dir, tuning)


def _collect_garbage_again() -> None:
    """Take up what was left out during the start; nothing is frozen, since the first checkpoint may have to go."""
    gc.enable()


def build_alone(settings: ServiceSettings, checkpoint: Path | None) -> Engine:
    """Return the engine in a process that has nothing else to do: a start that imports no more than pictures need."""
    if settings.engine != "fake":
        from garret.service_runtime.engine.ahead import read_ahead
        from garret.service_runtime.engine.lean import import_lean

        if checkpoint is not None:
            read_ahead(checkpoint)
        import_lean()
    return build_engine(settings)


class Worker:
    """The loop between one socket and one engine."""

    def __init__(
        self,
        channel: socket.socket,
        build: Callable[[], Engine],
        extensions: Callable[[], Extensions] | None = None,
        safety: str = OFF,
    ) -> None:
        self._channel = channel
        self._safety = safety
        self._load = extensions
        self._extensions: Extensions | None = None
        self._build = build
        self._orders: queue.SimpleQueue[Run | Unload] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._cancelling = threading.Lock()
        self._outbox: queue.Queue[Message] = queue.Queue(maxsize=64)
        self._finisher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="finish")
        self._previewed = 0.0
        self._showing = False

    def serve(self, checkpoint: Path | None) -> None:
        """Set the engine up, say so, and do what is ordered until the process ends."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        threading.Thread(target=self._send_all, name="send", daemon=True).start()
        started = time.monotonic()
        device, note = "unknown", ""
        try:
            if self._load is not None:
                self._extensions = self._load()
            self._engine = self._build()
            device = self._engine.setup(checkpoint)
        except ServiceError as error:
            # A checkpoint that does not load is no reason to have no worker: other ones may.
            note = error.message
        except Exception as error:
            self._send(Failed(0, "DeviceLost", f"{type(error).__name__}: {error}"[:500]))
            self._outbox.join()
            raise
        self._send_status()
        self._send(Ready(device, round(time.monotonic() - started, 3), note))
        _collect_garbage_again()
        while True:
            order = self._orders.get()
            if isinstance(order, Unload):
                self._engine.unload()
            else:
                self._guarded(order.number, self._run, order)
            self._send_status()

    def _guarded(self, number: int, work: Callable[..., None], *arguments: Any) -> None:
        """Do a part of a batch; what goes wrong is told, and a lost device ends the process."""
        try:
            work(*arguments)
        except Fatal as error:
            self._send(Failed(number, "DeviceLost", str(error)))
            self._outbox.join()
            os._exit(EXIT_DEVICE_LOST)
        except ServiceError as error:
            self._send(Failed(number, type(error).__name__, error.message))
        except Exception as error:  # noqa: BLE001  (whatever one batch does, the next one gets its turn)
            self._send(Failed(number, "ServiceError", f"{type(error).__name__}: {error}"[:500]))

    def _run(self, run: Run) -> None:
        events = self._engine.run(run.batch)
        try:
            while run.number not in self._cancelled:
                event = next(events, None)
                if event is None:
                    break
                if isinstance(event, Rest):
                    self._send(Denoised(run.number))
                    self._finisher.submit(self._guarded, run.number, self._finish, run, event)
                    return
                self._tell(run, event)
            self._done(run)
        finally:
            events.close()  # type: ignore[attr-defined]

    def _finish(self, run: Run, rest: Rest) -> None:
        """Send the pictures of a batch whose denoising is over, while the engine has the next one."""
        for image in rest.finish():
            if run.number in self._cancelled:
                break
            self._made(run, image)
        self._done(run)

    def _tell(self, run: Run, event: Step | Preview | Image) -> None:
        if isinstance(event, Step):
            self._send(Stepped(run.number, event.done, event.total, event.stage))
        elif isinstance(event, Image):
            self._made(run, event)
        elif self._safety == OFF and self._shows(event):  # what a filter would keep back is not shown before, either
            self._send(Previewed(run.number, event.index, event.width, event.height, event.rgb))

    def _shows(self, preview: Preview) -> bool:
        """Say whether a preview is due; all pictures of a batch are shown as often as its first one."""
        if not preview.index:
            now = time.monotonic()
            self._showing = now - self._previewed >= PREVIEW_EVERY_S
            self._previewed = now if self._showing else self._previewed
        return self._showing

    def _made(self, run: Run, image: Image) -> None:
        if self._extensions is not None:
            image = change_picture(self._extensions, image, run.batch)
        image = judged(self._extensions, self._safety, image, run.batch)
        self._send(Made(run.number, image.index, image.width, image.height, image.rgb, image.notes))

    def _done(self, run: Run) -> None:
        with self._cancelling:
            cancelled = run.number in self._cancelled
            # Of numbers far back nothing is asked any more; the one before this one may still be in decoding.
            self._cancelled = {number for number in self._cancelled if number > run.number - _FAR_BACK} - {run.number}
        self._send(Done(run.number, cancelled))

    def _send_status(self) -> None:
        self._send(Status(list(self._engine.loaded()), dict(self._engine.facts())))

    def _send(self, message: Message) -> None:
        """Leave a message to the sender, so that a picture's way through the socket does not hold the device up."""
        self._outbox.put(message)

    def _send_all(self) -> None:
        while True:
            message = self._outbox.get()
            try:
                self._channel.sendall(encode(message))
            except OSError:
                os._exit(0)
            except Exception:
                # What cannot be said must not become a silence that is waited for.
                logger.exception("a %s cannot be sent", type(message).__name__)
                os._exit(EXIT_UNSAID)
            finally:
                self._outbox.task_done()

    def _listen(self) -> None:
        try:
            while True:
                header, payload = check_lengths(self._receive(LENGTHS.size))
                message = decode(self._receive(header), self._receive(payload))
                if isinstance(message, Run | Unload):
                    self._orders.put(message)
                elif isinstance(message, Cancel):
                    with self._cancelling:
                        self._cancelled = self._cancelled | {message.number}
        except (OSError, EOFError, ValueError):
            # The API process has gone; nobody is left to make pictures for, and a hung engine cannot be asked.
            os._exit(0)

    def _receive(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            part = self._channel.recv(min(missing, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


def main(arguments: list[str]) -> None:
    """Serve the socket whose descriptor is the first argument.

    The second names the checkpoint to begin with, the third the extensions whose hooks belong here.
    """
    # A fifth of the time that importing and loading takes would go into looking at objects that all stay.
    gc.disable()
    channel = socket.socket(fileno=int(arguments[0]))
    checkpoint = Path(arguments[1]) if len(arguments) > 1 and arguments[1] else None
    settings = ServiceSettings.from_env(os.environ)
    set_up(settings.log_format, logging.WARNING)
    names = arguments[2] if len(arguments) > 2 else ""
    extensions = partial(extensions_of_worker, settings, names) if names else None
    Worker(channel, partial(build_alone, settings, checkpoint), extensions, settings.safety).serve(checkpoint)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        os._exit(0)
