"""The two clients: what they are made of is the same, and only who drives it differs."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from garret.client.awaiting import AwaitingDriver
from garret.client.blocking import BlockingDriver
from garret.client.driver import Awaiting, Blocking
from garret.client.errors import Misused
from garret.client.manners import Manners
from garret.client.service import Service
from garret.client.trust import Address, Trust


@dataclass(frozen=True)
class Door:
    """Where a service answers, how it is known there, and as whom to ask.

    Without `url` and `token`, GARRET_URL and GARRET_TOKEN say them, and GARRET_FINGERPRINT the SHA-256 of the
    certificate at GARRET_URL; in its place an authority may vouch for the name in GARRET_AUTHORITY. A `login` with its
    `password` does instead of a token.
    """

    url: str = ""
    token: str = ""
    login: str = ""
    password: str = ""
    fingerprint: str = ""
    trust: Trust | None = None

    def address(self) -> Address:
        """Return where it answers.

        Raises:
            Misused: that is not said, or is plain http to another machine.
        """
        url = self.url or os.environ.get("GARRET_URL", "")
        if not url:
            raise Misused("it is not said where the service answers", 'Client("https://HOST", "TOKEN"), or GARRET_URL')
        return Address.parse(url)

    def known_by(self) -> Trust:
        """Return what is known of the other side."""
        if self.trust or self.fingerprint or self.url:
            # The variables are about the address beside them; another one has another certificate.
            return self.trust or Trust(self.fingerprint)
        name = os.environ.get("GARRET_AUTHORITY", "")
        return Trust(os.environ.get("GARRET_FINGERPRINT", ""), authority=bool(name), name=name)

    def authorization(self) -> str:
        """Return the header's value, "" where nothing is said."""
        if self.password:
            pair = f"{self.login or 'admin'}:{self.password}"
            return f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
        token = self.token or os.environ.get("GARRET_TOKEN", "")
        if token and not (token.isascii() and token.isprintable()):
            raise Misused("the token holds characters that none has", "garret status --json shows where it is kept")
        return f"Bearer {token}" if token else ""

    def manners(self, wanted: Manners | None) -> Manners:
        """Return the manners with the header of who asks."""
        manners, said = wanted or Manners(), self.authorization()
        return replace(manners, headers={**manners.headers, "Authorization": said}) if said else manners


class Client(Service[Blocking]):
    """A service, asked by calls that block; several threads may share one. `with Client() as client:` closes it.

    Raises:
        Misused: it is not said where; or it is plain http to another machine.
    """

    def __init__(
        self, url: str = "", token: str = "", *, login: str = "", password: str = "", fingerprint: str = "",
        trust: Trust | None = None, manners: Manners | None = None,
    ) -> None:  # fmt: skip
        door = Door(url, token, login, password, fingerprint, trust)
        self._own = BlockingDriver(door.address(), door.known_by())
        super().__init__(self._own, door.manners(manners))

    def close(self) -> None:
        """Close the connections that are kept."""
        self._own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncClient(Service[Awaiting]):
    """A service, asked by calls that are awaited, under asyncio; otherwise as `Client`.

    `async with AsyncClient() as client:` closes its connections.
    """

    def __init__(
        self, url: str = "", token: str = "", *, login: str = "", password: str = "", fingerprint: str = "",
        trust: Trust | None = None, manners: Manners | None = None,
    ) -> None:  # fmt: skip
        door = Door(url, token, login, password, fingerprint, trust)
        self._own = AwaitingDriver(door.address(), door.known_by())
        super().__init__(self._own, door.manners(manners))

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        await self._own.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()
