"""Turns in the event loop: of many requests that came in one moment, one goes on in each round of it.

What a request does between its body and its job is a few milliseconds without a pause. A hundred of them in one round
would let nobody else be served for as long as all of them take; so everybody else comes between two of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakKeyDictionary


class Turns:
    """Those who wait for their turn, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def mine(self) -> None:
        """Wait for a round of the event loop in which nobody else has a turn."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._next)
        await turn

    def _next(self) -> None:
        turn = self._waiting.popleft()
        while turn.done() and self._waiting:  # who waited for it has gone
            turn = self._waiting.popleft()
        if not turn.done():
            turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)


_OF_LOOP: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


async def my_turn() -> None:
    """Wait for the turn of the request that this task serves."""
    await _OF_LOOP.setdefault(asyncio.get_running_loop(), Turns()).mine()
