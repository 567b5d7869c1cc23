"""A blocking call with a step callback, turned into a generator that can be closed between two steps."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor

from garret.service_runtime.engine.base import Image, Step

OnStep = Callable[[int, int], None]


class Stopped(Exception):
    """The generator was closed; raised inside the step callback to leave the blocking call."""


def stepwise(work: Callable[[OnStep], Iterable[Image]], executor: Executor) -> Iterator[Step | Image]:
    """Run `work` in the executor's thread; yield its steps as they come, then its images."""
    events: queue.SimpleQueue[Step | Image | BaseException | None] = queue.SimpleQueue()
    stop = threading.Event()

    def on_step(done: int, total: int) -> None:
        if stop.is_set():
            raise Stopped
        events.put(Step(done, total))

    def run() -> None:
        try:
            for image in work(on_step):
                events.put(image)
            events.put(None)
        except BaseException as error:  # noqa: BLE001  (raised again where the generator is read)
            events.put(error)

    future = executor.submit(run)
    try:
        while (event := events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event
    finally:
        stop.set()
        future.result()
