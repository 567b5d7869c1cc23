"""One definition, two clients: a method defined as steps is a plain call on the one and an awaitable on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from garret.client.driver import Awaiting, Blocking, Driven
from garret.client.steps import Steps

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound="Driven[Any]")


class operation(Generic[R, P, T]):  # noqa: N801 - a decorator
    """A method that has one result; type checkers see `T` on a blocking client and a coroutine of it on the other."""

    def __init__(self, define: Callable[Concatenate[R, P], Steps[T]]) -> None:
        self.steps = define
        update_wrapper(self, define)  # type: ignore[arg-type]

    @overload
    def __get__(self, owner: None, kind: type) -> operation[R, P, T]: ...
    @overload
    def __get__(self, owner: Driven[Blocking], kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, owner: Driven[Awaiting], kind: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, owner: Any, kind: type) -> Any:
        """Return what is called."""
        if owner is None:
            return self

        def call(*arguments: P.args, **named: P.kwargs) -> Any:
            return owner.driver.run(self.steps(owner, *arguments, **named))

        return update_wrapper(call, self.steps)


class Streamed(Generic[R, P, T]):
    """A method that has many results, one after the other: an iterator on the one client, asynchronous on the other."""

    def __init__(self, define: Callable[Concatenate[R, P], Steps[None]]) -> None:
        self.steps = define
        update_wrapper(self, define)  # type: ignore[arg-type]

    @overload
    def __get__(self, owner: None, kind: type) -> Streamed[R, P, T]: ...
    @overload
    def __get__(self, owner: Driven[Blocking], kind: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, owner: Driven[Awaiting], kind: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, owner: Any, kind: type) -> Any:
        """Return what is called."""
        if owner is None:
            return self

        def call(*arguments: P.args, **named: P.kwargs) -> Any:
            return owner.driver.iterate(self.steps(owner, *arguments, **named))

        return update_wrapper(call, self.steps)


def stream(_item: type[T]) -> Callable[[Callable[Concatenate[R, P], Steps[None]]], Streamed[R, P, T]]:
    """Make a method of steps that emit items of a type."""
    return Streamed
