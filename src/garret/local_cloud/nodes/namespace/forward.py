"""TCP from one network to another, byte for byte, both ways, until both sides have ended."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

PIECE = 256 * 1024
CONNECT_LIMIT_S = 10.0

Connect = Callable[[str], tuple[socket.socket, tuple[str, int]]]
"""From the caller's address: a socket that does not block, and where it is to connect to."""


async def serve(listener: socket.socket, connect: Connect) -> asyncio.Server:
    """Forward whatever comes in on the listener; a caller whose other side is not there is hung up on."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        try:
            far_reader, far_writer = await _far_side(connect, str(peer[0]) if peer else "")
        except (OSError, TimeoutError):
            writer.transport.abort()
            return
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        except OSError:
            # One side is broken: the other has nobody to talk to.
            for one in (writer, far_writer):
                one.transport.abort()
        finally:
            for one in (writer, far_writer):
                one.close()

    return await asyncio.start_server(handle, sock=listener, limit=PIECE)


async def _far_side(connect: Connect, caller: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    there, target = await asyncio.to_thread(connect, caller)
    try:
        async with asyncio.timeout(CONNECT_LIMIT_S):
            await asyncio.get_running_loop().sock_connect(there, target)
        return await asyncio.open_connection(sock=there, limit=PIECE)
    except BaseException:
        there.close()
        raise


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on until the end of one direction, and that end as well; OSError when either side breaks."""
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(RuntimeError):  # it is closed already
        if writer.can_write_eof():
            writer.write_eof()
