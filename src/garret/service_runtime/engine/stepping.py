"""Blocking work that emits events, turned into a generator that can be closed between two of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor

from garret.service_runtime.engine.base import Event

Emit = Callable[[Event], None]


class Stopped(Exception):
    """The generator was closed; raised where the next event is emitted, to leave the blocking work."""


def stepwise(work: Callable[[Emit], None], executor: Executor) -> Iterator[Event]:
    """Run `work` in the executor's thread and yield its events as they come."""
    events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
    stop = threading.Event()

    def emit(event: Event) -> None:
        if stop.is_set():
            raise Stopped
        events.put(event)

    def run() -> None:
        try:
            work(emit)
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
