"""Work beside the event loop: blocking functions in a few threads, and tasks whose failure is told in the log."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Background:
    """The threads and tasks of one service; `threads` is how many blocking functions run at a time."""

    def __init__(self, threads: int = 2) -> None:
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="service")
        self._tasks: set[asyncio.Task[Any]] = set()

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a blocking function without holding up the loop, and return what it does."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin something that nobody waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    async def end_tasks(self) -> None:
        """Cancel what runs, and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def aside(self, function: Callable[[], None]) -> None:
        """Run a blocking function in a thread of its own, which nothing waits for when the process ends."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def run() -> None:
            try:
                function()
            except Exception:
                logger.exception("a thread failed")
            with suppress(RuntimeError):  # the loop has closed meanwhile
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=run, name="aside", daemon=True).start()
        await done.wait()

    def end_threads(self) -> None:
        """Let the threads do what they were given, and end them."""
        self._threads.shutdown(wait=True)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a background task failed", exc_info=task.exception())
