"""One worker process: reads batches from its socket, runs the engine, sends back steps and pictures.

The main thread runs the engine; a second one reads the socket, so that a cancel is heard in the middle of a batch and
the end of the API process ends the worker, even one that hangs.
"""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from garret.service_runtime.engine.base import Engine, Fatal, Image, Rest, Step
from garret.service_runtime.errors import ServiceError
from garret.service_runtime.extensions.loading import Extensions
from garret.service_runtime.extensions.pictures import change_picture, extensions_of_worker
from garret.service_runtime.messages import (
    LENGTHS,
    Cancel,
    Done,
    Failed,
    Made,
    Message,
    Ready,
    Run,
    Stepped,
    check_lengths,
    decode,
    encode,
)
from garret.service_runtime.settings import ServiceSettings

EXIT_DEVICE_LOST = 75


def build_engine(settings: ServiceSettings) -> Engine:
    """Return the engine that the settings name."""
    if settings.engine == "fake":
        from garret.service_runtime.engine.fake import FakeEngine

        return FakeEngine(settings.fake_seconds, settings.fake_faults)
    from garret.service_runtime.engine.sdxl import SdxlEngine

    return SdxlEngine(settings.device, settings.config_dir)


class Worker:
    """The loop between one socket and one engine."""

    def __init__(
        self,
        channel: socket.socket,
        build: Callable[[], Engine],
        extensions: Callable[[], Extensions] | None = None,
    ) -> None:
        self._channel = channel
        self._load = extensions
        self._extensions: Extensions | None = None
        self._build = build
        self._runs: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._cancelled: set[int] = set()

    def serve(self, checkpoint: Path | None) -> None:
        """Set the engine up, say so, and run batches until the process ends."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
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
            raise
        self._send(Ready(device, round(time.monotonic() - started, 3), note))
        while True:
            run = self._runs.get()
            try:
                self._run(run)
            except Fatal as error:
                self._send(Failed(run.number, "DeviceLost", str(error)))
                raise SystemExit(EXIT_DEVICE_LOST) from error
            except ServiceError as error:
                self._send(Failed(run.number, type(error).__name__, error.message))
            except Exception as error:  # noqa: BLE001  (whatever one batch does, the next one gets its turn)
                self._send(Failed(run.number, "ServiceError", f"{type(error).__name__}: {error}"[:500]))

    def _run(self, run: Run) -> None:
        events = self._engine.run(run.batch)
        cancelled = run.number in self._cancelled
        while not cancelled:
            event = next(events, None)
            if event is None:
                break
            if isinstance(event, Step):
                self._send(Stepped(run.number, event.done, event.total))
            elif isinstance(event, Image):
                self._made(run, event)
            elif isinstance(event, Rest):
                for image in event.finish():
                    self._made(run, image)
            cancelled = run.number in self._cancelled
        if cancelled:
            events.close()  # type: ignore[attr-defined]
        self._cancelled = {number for number in self._cancelled if number > run.number}
        self._send(Done(run.number, cancelled))

    def _made(self, run: Run, image: Image) -> None:
        if self._extensions is not None:
            image = change_picture(self._extensions, image, run.batch)
        self._send(Made(run.number, image.index, image.width, image.height, image.rgb, image.notes))

    def _send(self, message: Message) -> None:
        self._channel.sendall(encode(message))

    def _listen(self) -> None:
        try:
            while True:
                header, payload = check_lengths(self._receive(LENGTHS.size))
                message = decode(self._receive(header), self._receive(payload))
                if isinstance(message, Run):
                    self._runs.put(message)
                elif isinstance(message, Cancel):
                    self._cancelled.add(message.number)
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
    channel = socket.socket(fileno=int(arguments[0]))
    checkpoint = Path(arguments[1]) if len(arguments) > 1 and arguments[1] else None
    settings = ServiceSettings.from_env(os.environ)
    names = arguments[2] if len(arguments) > 2 else ""
    extensions = partial(extensions_of_worker, settings, names) if names else None
    Worker(channel, partial(build_engine, settings), extensions).serve(checkpoint)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        os._exit(0)
