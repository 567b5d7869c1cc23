"""Both forms of the client, asked in one way: what is awaited is run to its end in an event loop of its own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from garret.client import AsyncClient, Client
from garret.client.driver import Driven

FORMS = ("blocking", "awaiting")


class Awaited:
    """An awaiting client, or a part of it, whose calls block."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self._inner = inner
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if isinstance(value, Driven):
            return Awaited(value, self._runner)
        return self._blocking(value) if callable(value) else value

    def _blocking(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def blocking(*arguments: Any, **named: Any) -> Any:
            outcome = call(*arguments, **named)
            if inspect.isasyncgen(outcome):
                return self._items(outcome)
            return self._runner.run(outcome) if inspect.isawaitable(outcome) else outcome

        return blocking

    def _items(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        async def following() -> Any:
            return await anext(items)

        try:
            while True:
                try:
                    yield self._runner.run(following())
                except StopAsyncIteration:
                    return
        finally:
            self._runner.run(items.aclose())  # type: ignore[attr-defined]


@contextmanager
def client_of(form: str, *arguments: Any, **named: Any) -> Iterator[Any]:
    """Make a client of this form, and close it at the end of the block."""
    if form == "blocking":
        with Client(*arguments, **named) as client:
            yield client
        return
    with asyncio.Runner() as runner:
        client = AsyncClient(*arguments, **named)
        yield Awaited(client, runner)
        runner.run(client.aclose())
