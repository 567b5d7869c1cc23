"""What a place does with what its process says, and when it gives it more to do."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from garret.service_runtime.hang import Limits
from garret.service_runtime.messages import Denoised, Done, Failed, Message, Ready, Stepped, encode
from garret.service_runtime.scheduler import Assignment, Task
from garret.service_runtime.worker_place import MOST_FINISHING, Worker
from garret.service_runtime.worker_process import Process
from tests.service_runtime.asking import prepared


@dataclass
class Hearer:
    """A Listener, and the Others: gives out pictures as long as there are some, and remembers what it heard."""

    tasks: list[Task]
    given: int = 0
    fed: int = 0
    heard: list[str] = field(default_factory=list)
    breaks: bool = False

    def next_assignment(self, *_: object) -> Assignment | None:
        """Give the next picture, if there is one."""
        if not self.tasks:
            return None
        self.given += 1
        return Assignment(self.given, (self.tasks.pop(0),))

    def feed(self) -> None:
        """Count."""
        self.fed += 1

    def held_by_idle(self, _: object) -> list[str]:
        """Nobody holds anything."""
        return []

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Whatever else a place tells."""

        def hear(*_: Any) -> None:
            if self.breaks and name == "stepped":
                raise RuntimeError("a listener's mistake")
            self.heard.append(name)

        return hear


class Place:
    """A place whose processes are sockets in the hands of a test."""

    def __init__(self, hearer: Hearer) -> None:
        self.ends: list[socket.socket] = []
        self.worker = Worker(self._start, hearer, Limits(60, 60), hearer)

    def _start(self) -> Process:
        ours, theirs = socket.socketpair()
        self.ends.append(theirs)
        process = subprocess.Popen([sys.executable, "-S", "-c", ""])
        return Process(process, ours)

    def say(self, *messages: Message) -> None:
        """Have the newest process say this."""
        self.ends[-1].sendall(b"".join(map(encode, messages)))


def on(hearer: Hearer, work: Callable[[Place], Awaitable[None]]) -> None:
    """Do something with a place, in a loop of its own."""

    async def run() -> None:
        place = Place(hearer)
        keeper = asyncio.create_task(place.worker.keep())
        try:
            async with asyncio.timeout(20):
                await until(lambda: bool(place.ends))
                place.say(Ready("fake", 0.1))
                await until(lambda: place.worker.ready is not None)
                await work(place)
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            for end in place.ends:
                end.close()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until something is so."""
    while not condition():
        await asyncio.sleep(0.01)


def pictures(count: int, *, alone: bool = False) -> list[Task]:
    """So many pictures to make."""
    return [Task(f"job-{number}", 0, prepared(), alone=alone) for number in range(count)]


def test_no_more_is_begun_than_can_be_decoded() -> None:
    """Each batch in decoding has memory of the device; when one is done, the next one is begun."""
    hearer = Hearer(pictures(9))

    async def work(place: Place) -> None:
        await until(lambda: hearer.given == 1)
        for number in range(1, 6):
            place.say(Stepped(number, 1, 1), Denoised(number))
            if number > MOST_FINISHING:
                await until(lambda number=number: number in place.worker.finishing)
                break
        assert (hearer.given, len(place.worker.finishing)) == (MOST_FINISHING + 1, MOST_FINISHING + 1)
        place.say(Done(1))
        await until(lambda: len(place.worker.finishing) == MOST_FINISHING)
        assert place.worker.running is None
        place.say(Done(2))
        await until(lambda: place.worker.running is not None)

    on(hearer, work)


def test_what_is_tried_again_is_by_itself() -> None:
    """Nothing is begun beside it, neither at its last step nor while it is decoded."""
    hearer = Hearer(pictures(3, alone=True))

    async def work(place: Place) -> None:
        await until(lambda: hearer.given == 1)
        place.say(Stepped(1, 1, 1), Denoised(1))
        await until(lambda: 1 in place.worker.finishing)
        assert (hearer.given, place.worker.waiting) == (1, None)
        place.say(Done(1))
        await until(lambda: hearer.given == 2)

    on(hearer, work)


def test_what_failed_is_offered_to_everybody() -> None:
    """It may be an idle worker that has its model, and that would not ask by itself."""
    hearer = Hearer(pictures(1))

    async def work(place: Place) -> None:
        await until(lambda: hearer.given == 1)
        place.say(Failed(1, "OutOfMemory", "full"))
        await until(lambda: "failed" in hearer.heard)
        assert hearer.fed == 1

    on(hearer, work)


def test_a_mistake_of_who_listens_does_not_leave_the_place_empty() -> None:
    """Its process is replaced, and what it had is told as lost."""
    hearer = Hearer(pictures(1), breaks=True)

    async def work(place: Place) -> None:
        await until(lambda: hearer.given == 1)
        place.say(Stepped(1, 1, 2))
        await until(lambda: len(place.ends) == 2)
        assert "lost" in hearer.heard

    on(hearer, work)
