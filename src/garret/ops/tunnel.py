"""The service on a port of this machine's loopback, through SSH: no port but 22, and the node's certificate pinned.

Here it speaks plain HTTP, which does not leave this machine; on the node's side it is TLS to exactly the certificate
that the node reported, or to one that the asked authority vouches for.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from garret.client.trust import bare_context, verifying_context
from garret.errors import OperationError, UsageError

if TYPE_CHECKING:
    import paramiko

    from garret.ops.deployment import Login

_PIECE = 64 * 1024
LOOK_S = 0.5
CHANNEL_S = 15


@dataclass(frozen=True)
class Target:
    """Where the service answers on the node itself, and the certificate to expect; plain HTTP without one."""

    host: str
    port: int
    login: Login

    @classmethod
    def of(cls, login: Login, *, own_network: bool) -> Target:
        """The service of a login; on a machine with a network of its own, it is at that machine's loopback."""
        address = urlsplit(login.endpoint)
        default = 443 if address.scheme == "https" else 80
        host = "127.0.0.1" if own_network else address.hostname or "127.0.0.1"
        return cls(host, address.port or default, login)

    @property
    def speaks_tls(self) -> bool:
        """Say whether it does."""
        return self.login.endpoint.startswith("https:")


def listener(port: int) -> socket.socket:
    """A socket of this machine's loopback; any free port for 0.

    Raises:
        UsageError: the port is taken.
    """
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise UsageError(f"--port: 127.0.0.1:{port}: {error.strerror}", "another one, or none for any") from None


def serve(
    client: paramiko.SSHClient, listening: socket.socket, target: Target, ended: Callable[[], bool] = lambda: False
) -> None:
    """Pass on what comes, until `ended` says so.

    Raises:
        OperationError: the connection to the node broke.
    """
    transport = client.get_transport()
    if transport is None:
        raise OperationError("the connection to the node broke", "garret ops tunnel")
    transport.set_keepalive(30)
    asyncio.run(_Tunnel(transport, target).serve(listening, ended))


class _Tunnel:
    def __init__(self, transport: paramiko.Transport, target: Target) -> None:
        self._transport = transport
        self._target = target
        self._callers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._wrong = ""

    async def serve(self, listening: socket.socket, ended: Callable[[], bool]) -> None:
        server = await asyncio.start_server(self._handle, sock=listening)
        async with server:
            try:
                while not ended():
                    await asyncio.sleep(LOOK_S)
                    self._check()
            finally:
                await self._hang_up()

    def _check(self) -> None:
        if not self._transport.is_active():
            raise OperationError("the connection to the node broke", "the same again")
        if self._wrong:
            raise OperationError(self._wrong, "someone may be in between, or the node was made anew: garret status")

    async def _hang_up(self) -> None:
        for writer in self._callers.values():
            writer.transport.abort()
        if self._callers:
            await asyncio.wait(self._callers, timeout=CHANNEL_S)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a server's callback is one
        self._callers[task] = writer
        try:
            await self._pass_on(reader, writer)
        finally:
            del self._callers[task]

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await self._far_side()
        except (OSError, EOFError):
            writer.transport.abort()
            return
        pumps = [asyncio.create_task(_pump(reader, far_writer)), asyncio.create_task(_pump(far_reader, writer))]
        # TLS has no half of a connection that is closed: when one side has ended, both have.
        done, others = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for one in others:
            one.cancel()
        await asyncio.wait(pumps)
        broken = any(one.exception() for one in done)
        for side in (writer, far_writer):
            if broken:
                side.transport.abort()
            else:
                side.close()

    async def _far_side(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._target.speaks_tls:
            return await asyncio.open_connection(sock=await self._socket())
        login = self._target.login
        authority = login.authority
        if authority is not None:
            name = authority.name or urlsplit(login.endpoint).hostname or ""
            with suppress(ssl.SSLCertVerificationError):
                vouched = verifying_context(authority.ca)
                return await asyncio.open_connection(sock=await self._socket(), ssl=vouched, server_hostname=name)
        reader, writer = await asyncio.open_connection(
            sock=await self._socket(), ssl=bare_context(), server_hostname=self._target.host
        )
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        found, pinned = hashlib.sha256(shown).hexdigest(), login.tls_sha256.replace(":", "").lower()
        if not hmac.compare_digest(found, pinned):
            writer.transport.abort()
            self._wrong = (
                f"the service shows another certificate (SHA-256 {found}) than the one this deployment reported "
                f"({pinned or 'none'}); nothing was sent to it"
            )
            raise OSError("another certificate")
        return reader, writer

    async def _socket(self) -> socket.socket:
        """A socket whose other end is a channel of the SSH connection."""
        from paramiko import SSHException

        def open_channel() -> paramiko.Channel:
            where = (self._target.host, self._target.port)
            try:
                return self._transport.open_channel("direct-tcpip", where, ("127.0.0.1", 0), timeout=CHANNEL_S)
            except SSHException as error:
                raise OSError(str(error)) from error

        channel = await asyncio.to_thread(open_channel)
        near, far = socket.socketpair()
        for pump in (_to_channel, _from_channel):
            threading.Thread(target=pump, args=(far, channel), daemon=True).start()
        near.setblocking(False)
        return near


def _to_channel(far: socket.socket, channel: paramiko.Channel) -> None:
    with suppress(OSError, EOFError):
        while piece := far.recv(_PIECE):
            channel.sendall(piece)
    with suppress(OSError, EOFError):
        channel.shutdown_write()


def _from_channel(far: socket.socket, channel: paramiko.Channel) -> None:
    with suppress(OSError, EOFError):
        while piece := channel.recv(_PIECE):
            far.sendall(piece)
    with suppress(OSError):
        far.shutdown(socket.SHUT_RDWR)
    far.close()
    channel.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
