"""What the two drivers are to a definition, and what is driven by one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, Protocol, TypeVar

from garret.client.manners import Manners
from garret.client.steps import Steps

T = TypeVar("T")


class Blocking(Protocol):
    """Does each step before it goes on."""

    def run(self, steps: Steps[T]) -> T:
        """Return what the steps come to."""

    def iterate(self, steps: Steps[None]) -> Iterator[Any]:
        """Yield what the steps emit."""


class Awaiting(Protocol):
    """Awaits each step."""

    async def run(self, steps: Steps[T]) -> T:
        """Return what the steps come to."""

    def iterate(self, steps: Steps[None]) -> AsyncIterator[Any]:
        """Yield what the steps emit."""


D = TypeVar("D")


class Driven(Generic[D]):
    """A part of the client: what can be asked, whoever drives it."""

    def __init__(self, driver: D, manners: Manners) -> None:
        self.driver = driver
        self.manners = manners
