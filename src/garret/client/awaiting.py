"""The driver of the awaiting client: httpx2, under asyncio."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from garret.client.blocking import CONNECT_S, LARGEST_REPLY, reason_of
from garret.client.errors import ClientError, Unreachable, Unreadable
from garret.client.steps import Ask, Emit, Open, Pause, Read, Reply, Step, Steps, Work
from garret.client.trust import Address, Trust, Way, cause_of, doubt_of, untrusted

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

CLEAN_UP_S = 5.0
"""What is still to be done after a cancellation, such as cancelling a job, may take so long."""
_MOST_CONNECTIONS = 200


class AwaitingDriver:
    """Awaits each step; any number of tasks of one event loop may share one."""

    def __init__(self, address: Address, trust: Trust) -> None:
        self._address = address
        self._ways: list[Way] = trust.ways(address.host) if address.secure else []
        self._doubt = ""
        self._client: httpx2.AsyncClient | None = None
        self._outworn: list[httpx2.AsyncClient] = []

    async def run(self, steps: Steps[T]) -> T:
        """Return what the steps come to."""
        opened: list[_Opened] = []
        try:
            step = next(steps)
            while True:
                try:
                    outcome = await self._outcome(step, opened)
                except Exception as error:  # noqa: BLE001 - the definition decides
                    step = steps.throw(error)
                except BaseException as error:
                    await self._clean_up(steps, error)
                    raise
                else:
                    step = steps.send(outcome)
        except StopIteration as over:
            result: T = over.value
            return result
        finally:
            await self._close_all(opened)

    async def iterate(self, steps: Steps[None]) -> AsyncIterator[Any]:
        """Yield what the steps emit; whoever stops iterating closes what is open."""
        opened: list[_Opened] = []
        try:
            step = next(steps)
            while True:
                try:
                    outcome = None if isinstance(step, Emit) else await self._outcome(step, opened)
                except Exception as error:  # noqa: BLE001 - the definition decides
                    step = steps.throw(error)
                    continue
                if isinstance(step, Emit):
                    yield step.item
                step = steps.send(outcome)
        except StopIteration:
            return
        finally:
            steps.close()
            await self._close_all(opened)

    async def close(self) -> None:
        """Close the connections that are kept."""
        clients, self._outworn = [*self._outworn, *([self._client] if self._client else [])], []
        self._client = None
        for client in clients:
            await client.aclose()

    async def _clean_up(self, steps: Steps[Any], error: BaseException) -> None:
        """Let the definition do what it does when it is cancelled, though this task may not await any more."""
        import anyio

        with anyio.move_on_after(CLEAN_UP_S, shield=True):
            try:
                step = steps.throw(error)
                while True:
                    try:
                        outcome = await self._outcome(step, [])
                    except Exception as again:  # noqa: BLE001 - as above
                        step = steps.throw(again)
                    else:
                        step = steps.send(outcome)
            except StopIteration:
                return
            except BaseException as over:
                if over is not error:
                    raise error from over

    async def _outcome(self, step: Step, opened: list[_Opened]) -> Any:
        if isinstance(step, Ask):
            return await self._ask(step)
        if isinstance(step, Open):
            await self._close_all(opened)
            return await self._open(step.ask, opened)
        if isinstance(step, Read):
            return await self._guarded(opened[-1].read, opened[-1].ask)
        if isinstance(step, Pause):
            import anyio

            return await anyio.sleep(step.seconds)
        if isinstance(step, Work):
            from anyio import to_thread

            return await to_thread.run_sync(step.function)
        raise TypeError(f"{type(step).__name__} is no step of something that has one result")

    async def _ask(self, ask: Ask) -> Reply:
        reply = await self._begin(ask)
        opened = _Opened(ask, reply)
        pieces, size = [], 0
        try:
            while piece := await self._guarded(opened.read, ask):
                pieces.append(piece)
                size += len(piece)
                if size > LARGEST_REPLY:
                    raise Unreadable(f"{self._address.url} answers more than {LARGEST_REPLY >> 20} MB")
        finally:
            await reply.aclose()
        return Reply(reply.status_code, dict(reply.headers), b"".join(pieces))

    async def _open(self, ask: Ask, opened: list[_Opened]) -> Reply:
        reply = await self._begin(ask)
        opened.append(_Opened(ask, reply))
        body = b""
        if reply.status_code >= 400:
            while piece := await self._guarded(opened[-1].read, ask):
                body += piece
        return Reply(reply.status_code, dict(reply.headers), body)

    async def _begin(self, ask: Ask) -> httpx2.Response:
        import httpx2

        limits = httpx2.Timeout(ask.timeout_s, connect=min(CONNECT_S, ask.timeout_s), pool=None)
        while True:
            client, way = self._connected()
            extensions: dict[str, Any] = {"timeout": limits.as_dict()}
            if way is not None:
                extensions["sni_hostname"] = way.name
            request = client.build_request(
                ask.method,
                self._address.url + ask.path,
                headers=dict(ask.headers),
                content=ask.body,
                extensions=extensions,
            )
            try:
                return await client.send(request, stream=True)
            except httpx2.TransportError as error:
                trouble = cause_of(error)
                if isinstance(trouble, ssl.SSLCertVerificationError) and way is not None and len(self._ways) > 1:
                    if self._ways[0] is way:
                        self._next_way(way, trouble)
                    continue
                raise self._lost(error, ask) from error

    def _connected(self) -> tuple[httpx2.AsyncClient, Way | None]:
        import httpx2

        way = self._ways[0] if self._ways else None
        if self._client is None:
            most = httpx2.Limits(max_connections=_MOST_CONNECTIONS, max_keepalive_connections=20, keepalive_expiry=4)
            # Without this machine's proxies, as the blocking one; a token follows no redirect.
            self._client = httpx2.AsyncClient(
                verify=way.context if way else False, limits=most, trust_env=False, follow_redirects=False
            )
        return self._client, way

    def _next_way(self, way: Way, error: ssl.SSLCertVerificationError) -> None:
        """Nobody vouches for the other side; it may still be the one that was pinned, now and for all that follows."""
        self._doubt, self._ways = doubt_of(way.name, error), self._ways[1:]
        if self._client is not None:
            self._outworn.append(self._client)
        self._client = None

    async def _guarded(self, read: Callable[[], Any], ask: Ask) -> bytes:
        import httpx2

        try:
            piece: bytes = await read()
            return piece
        except httpx2.TransportError as error:
            raise self._lost(error, ask) from error

    def _lost(self, error: Exception, ask: Ask) -> ClientError:
        import httpx2

        secured = cause_of(error)
        connecting = isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout))
        if secured is not None and connecting:
            return untrusted(self._address.url, secured, self._doubt)
        if isinstance(error, httpx2.TimeoutException):
            cause: BaseException = TimeoutError()
        elif isinstance(error, (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError, httpx2.CloseError)):
            cause = ConnectionError()
        else:
            cause = _root(error)
        waited = min(CONNECT_S, ask.timeout_s) if connecting else ask.timeout_s
        return Unreachable(f"{self._address.url} does not answer: {reason_of(cause, waited)}", sent=not connecting)

    @staticmethod
    async def _close_all(opened: list[_Opened]) -> None:
        while opened:
            await opened.pop().reply.aclose()


class _Opened:
    """An answer that is read as it comes."""

    def __init__(self, ask: Ask, reply: httpx2.Response) -> None:
        self.ask = ask
        self.reply = reply
        self._pieces = reply.aiter_bytes()

    async def read(self) -> bytes:
        return await anext(self._pieces, b"")


def _root(error: BaseException) -> BaseException:
    """Return the error of the machine that another one comes from."""
    seen: BaseException | None = error
    found = error
    while seen is not None:
        if isinstance(seen, OSError):
            found = seen
        seen = seen.__cause__ or seen.__context__
    return found
