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
            there, target = await asyncio.to_thread(connect, str(peer[0]) if peer else "")
            async with asyncio.timeout(CONNECT_LIMIT_S):
                await asyncio.get_running_loop().sock_connect(there, target)
            far_reader, far_writer = await asyncio.open_connection(sock=there, limit=PIECE)
        except (OSError, TimeoutError):
            writer.transport.abort()
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    return await asyncio.start_server(handle, sock=listener, limit=PIECE)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except (OSError, RuntimeError):
        writer.transport.abort()
        return
    with contextlib.suppress(OSError):
        await writer.drain()
