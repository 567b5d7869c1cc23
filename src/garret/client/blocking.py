"""The driver of the blocking client: HTTP by the standard library alone, over connections that are kept a while.

`garret status` and its like are loaded for one short question; the library that awaits would cost them more time to
import than the question takes.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any, TypeVar

from garret.client.errors import ClientError, Unreachable, Unreadable
from garret.client.steps import Ask, Emit, Open, Pause, Read, Reply, Step, Steps, Work
from garret.client.trust import Address, Trust, Way, doubt_of, untrusted

T = TypeVar("T")

CONNECT_S = 10.0
LARGEST_REPLY = 1 << 30
_IDLE_S = 4.0
"""Servers commonly close what says nothing for five."""
_PIECE = 1 << 16


class BlockingDriver:
    """Does each step before it goes on; several threads may share one."""

    def __init__(self, address: Address, trust: Trust) -> None:
        self._address = address
        self._trust = trust
        self._ways: list[Way] | None = None
        self._doubt = ""
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []
        self._lock = threading.Lock()

    def run(self, steps: Steps[T]) -> T:
        """Return what the steps come to."""
        opened: list[_Opened] = []
        try:
            step = next(steps)
            while True:
                try:
                    outcome = self._outcome(step, opened)
                except BaseException as error:  # noqa: BLE001 - the definition decides
                    step = steps.throw(error)
                else:
                    step = steps.send(outcome)
        except StopIteration as over:
            result: T = over.value
            return result
        finally:
            self._close_all(opened)

    def iterate(self, steps: Steps[None]) -> Iterator[Any]:
        """Yield what the steps emit; whoever stops iterating closes what is open."""
        opened: list[_Opened] = []
        try:
            step = next(steps)
            while True:
                try:
                    outcome = None if isinstance(step, Emit) else self._outcome(step, opened)
                except BaseException as error:  # noqa: BLE001 - the definition decides
                    step = steps.throw(error)
                    continue
                if isinstance(step, Emit):
                    yield step.item
                step = steps.send(outcome)
        except StopIteration:
            return
        finally:
            steps.close()
            self._close_all(opened)

    def certificate(self) -> bytes:
        """Return the certificate that the other side shows and that is trusted, as DER; b"" without TLS."""
        connection = self._connected(Ask("GET", "/"))
        try:
            shown = connection.sock
            return (shown.getpeercert(binary_form=True) or b"") if isinstance(shown, ssl.SSLSocket) else b""
        finally:
            connection.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _outcome(self, step: Step, opened: list[_Opened]) -> Any:
        if isinstance(step, Ask):
            return self._ask(step)
        if isinstance(step, Open):
            self._close_all(opened)
            return self._open(step.ask, opened)
        if isinstance(step, Read):
            return opened[-1].read(self._address.url)
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        if isinstance(step, Work):
            return step.function()
        raise TypeError(f"{type(step).__name__} is no step of something that has one result")

    def _ask(self, ask: Ask) -> Reply:
        connection, reply = self._begin(ask)
        try:
            body = _whole(reply)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._lost(error, ask) from error
        except BaseException:
            connection.close()
            raise
        if len(body) > LARGEST_REPLY or reply.will_close:
            connection.close()
        else:
            self._keep(connection)
        if len(body) > LARGEST_REPLY:
            raise Unreadable(f"{self._address.url} answers more than {LARGEST_REPLY >> 20} MB")
        return Reply(reply.status, _lower(reply), body)

    def _open(self, ask: Ask, opened: list[_Opened]) -> Reply:
        connection, reply = self._begin(ask)
        opened.append(_Opened(connection, reply, ask.timeout_s))
        body = b""
        if reply.status >= 400:
            while piece := opened[-1].read(self._address.url):
                body += piece
        return Reply(reply.status, _lower(reply), body)

    def _begin(self, ask: Ask) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send a request and return its answer's beginning."""
        connection = self._kept() or self._connected(ask)
        try:
            if connection.sock is not None:
                connection.sock.settimeout(ask.timeout_s)
            connection.request(ask.method, self._address.prefix + ask.path, ask.body, dict(ask.headers))
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._lost(error, ask) from error
        except BaseException:
            connection.close()
            raise

    def _connected(self, ask: Ask) -> http.client.HTTPConnection:
        timeout = min(CONNECT_S, ask.timeout_s)
        if not self._address.secure:
            plain = http.client.HTTPConnection(self._address.host, self._address.port, timeout=timeout)
            try:
                plain.connect()
            except OSError as error:
                raise self._lost(error, ask, sent=False, waited_s=timeout) from error
            return plain
        if self._ways is None:
            self._ways = self._trust.ways(self._address.host)
        while True:
            way = self._ways[0]
            connection = _Secured(self._address.host, self._address.port, timeout, way)
            try:
                connection.connect()
                return connection
            except ssl.SSLCertVerificationError as error:
                if len(self._ways) == 1:
                    raise untrusted(self._address.url, error) from error
                # Nobody vouches for it; it may still be the one that was pinned, now and for all that follows.
                self._doubt, self._ways = doubt_of(way.name, error), self._ways[1:]
            except ssl.SSLError as error:
                raise untrusted(self._address.url, error, self._doubt) from error
            except OSError as error:
                raise self._lost(error, ask, sent=False, waited_s=timeout) from error

    def _kept(self) -> http.client.HTTPConnection | None:
        """Return a connection that is still open, as far as one can see without using it."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection, since = self._idle.pop()
            if time.monotonic() - since < _IDLE_S and connection.sock is not None and not _readable(connection.sock):
                return connection
            connection.close()

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._idle.append((connection, time.monotonic()))

    def _lost(self, error: Exception, ask: Ask, *, sent: bool = True, waited_s: float | None = None) -> ClientError:
        reason = reason_of(error, ask.timeout_s if waited_s is None else waited_s)
        return Unreachable(f"{self._address.url} does not answer: {reason}", sent=sent)

    @staticmethod
    def _close_all(opened: list[_Opened]) -> None:
        while opened:
            opened.pop().connection.close()


class _Secured(http.client.HTTPSConnection):
    """A connection that is secured in one way, for one name."""

    def __init__(self, host: str, port: int, timeout: float, way: Way) -> None:
        super().__init__(host, port, timeout=timeout, context=way.context)
        self._way = way

    def connect(self) -> None:
        """Connect and shake hands."""
        http.client.HTTPConnection.connect(self)
        try:
            self.sock = self._way.context.wrap_socket(self.sock, server_hostname=self._way.name)
        except BaseException:
            self.close()
            raise


class _Opened:
    """An answer that is read as it comes."""

    def __init__(self, connection: http.client.HTTPConnection, reply: http.client.HTTPResponse, timeout_s: float):
        self.connection = connection
        self._reply = reply
        self._timeout_s = timeout_s

    def read(self, url: str) -> bytes:
        try:
            piece = self._reply.read1(_PIECE)
            if not piece:
                _check_end(self._reply)
            return piece
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{url} does not answer: {reason_of(error, self._timeout_s)}") from error


def _whole(reply: http.client.HTTPResponse) -> bytes:
    """Return a body, one byte more than the largest at most; one that is cut off is no answer."""
    body = reply.read(LARGEST_REPLY + 1)
    if len(body) <= LARGEST_REPLY:
        _check_end(reply)
    return body


def _check_end(reply: http.client.HTTPResponse) -> None:
    """Refuse an end before the length that was announced, which `read` with a bound passes over in silence."""
    if reply.length:
        raise http.client.IncompleteRead(b"", reply.length)


def _readable(sock: socket.socket) -> bool:
    """Say whether the other side has closed, or said something that nobody asked for."""
    try:
        return bool(select.select([sock], [], [], 0)[0])
    except (OSError, ValueError):
        return True


def _lower(reply: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.getheaders()}


def reason_of(error: BaseException, timeout_s: float) -> str:
    """Say why there is no answer."""
    if isinstance(error, TimeoutError):
        return f"nothing came within {timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "the connection is refused"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, (ConnectionError, http.client.HTTPException)):
        return "the connection broke"
    return str(getattr(error, "strerror", None) or error)
