"""An HTTP connection that does not wait for ever: uvicorn alone keeps half-sent headers open without end."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


def protocol(header_timeout_s: float) -> type[H11Protocol]:
    """Return a protocol that drops a connection whose headers are not whole after so many seconds."""

    class Impatient(H11Protocol):
        _giving_up: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._begin_waiting()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            # IDLE after new bytes: they are the beginning of a request, and not its whole head.
            if self.conn.their_state is h11.IDLE:
                self._begin_waiting()
            else:
                self._stop_waiting()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _begin_waiting(self) -> None:
            if self._giving_up is None:
                self._giving_up = self.loop.call_later(header_timeout_s, self.transport.abort)

        def _stop_waiting(self) -> None:
            if self._giving_up is not None:
                self._giving_up.cancel()
                self._giving_up = None

    return Impatient
