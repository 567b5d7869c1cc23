"""Ask a node's service for one thing, by garret's own client: plain only on loopback, else TLS as the node reported it.

Where a public certificate was asked for, one that an authority vouches for is taken as well, for that name only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from garret.client.asking import Asking
from garret.client.blocking import BlockingDriver
from garret.client.errors import ClientError, Forbidden, Unauthorized
from garret.client.manners import Manners
from garret.client.steps import Ask, Steps, asked
from garret.client.trust import Address
from garret.errors import NotReady
from garret.ops.authority import Authority
from garret.ops.client import in_words_of_a_command, trust_of

if TYPE_CHECKING:
    from garret.ops.deployment import Login

T = TypeVar("T")


@dataclass(frozen=True)
class Endpoint:
    """Where a service answers and as whom to ask; `fingerprint` is the SHA-256 of its certificate, hexadecimal.

    Without a fingerprint, the certificate must be one that this machine trusts anyway; with an `authority`, it may be
    one that this authority gave for its name. Nothing is asked twice: whoever asks by this has a patience of its own.
    """

    url: str
    token: str = field(repr=False)
    fingerprint: str = ""
    authority: Authority | None = None

    def healthy(self, timeout_s: float = 3) -> bool:
        """Say whether the service can take work now.

        Raises:
            OperationError: something answers, but not with the certificate that was pinned.
        """
        try:
            # It answers strangers as well, and tells them whether it is ready: no token is shown for this.
            reply = self._run(asked(Ask("GET", "/healthz", {"Accept": "application/json"}, timeout_s=timeout_s)))
        except NotReady:
            return False
        return reply.status == 200 and _parsed(reply.body).get("status") == "ok"

    def get(self, path: str, timeout_s: float = 30) -> Any:
        """Return the JSON that is at a path."""
        return self._json("GET", path, None, timeout_s)

    def post(self, path: str, body: dict[str, Any], timeout_s: float = 30) -> Any:
        """Send JSON to a path and return the JSON that it answers."""
        return self._json("POST", path, body, timeout_s)

    def put(self, path: str, body: dict[str, Any], timeout_s: float = 30) -> Any:
        """Put JSON to a path and return the JSON that is answered."""
        return self._json("PUT", path, body, timeout_s)

    def pictures(self, fields: Mapping[str, Any], timeout_s: float = 600) -> list[bytes]:
        """Ask for pictures by the fields of a request, and return their files.

        Raises:
            UsageError: the service does not take the request; its own words.
            NotReady: nothing answers, or not in time.
        """
        from garret.client.jobs import LOOK_S, Jobs

        rest = {name: value for name, value in fields.items() if name != "prompt"}
        jobs = Jobs(None, replace(self._manners(), restart_s=timeout_s))
        made = self._run(jobs.making(str(fields.get("prompt") or ""), None, LOOK_S, rest))
        return [one.data for one in made]

    def takes(self, login: str = "", password: str = "", timeout_s: float = 10) -> bool:
        """Say whether the service lets in: the token, or a login with its password.

        Raises:
            NotReady: nobody answers, or the service is not there yet.
        """
        from garret.client.client import Door

        said = Door(token=self.token, login=login, password=password).authorization()
        asking = Asking(None, replace(self._manners(timeout_s), headers={"Authorization": said}))
        try:
            self._run(asking.reply("GET", "/machine"), let_through=(Unauthorized, Forbidden))
        except (Unauthorized, Forbidden):
            return False
        return True

    def _json(self, method: str, path: str, body: dict[str, Any] | None, timeout_s: float) -> Any:
        return self._run(Asking(None, self._manners(timeout_s)).json(method, path, body))

    def _manners(self, timeout_s: float = 30.0) -> Manners:
        headers = {"Authorization": f"Bearer {self.token}"}
        return Manners(timeout_s, retry_s=0, absent_s=0, silence_s=0, headers=headers)

    def _run(self, steps: Steps[T], let_through: tuple[type[ClientError], ...] = ()) -> T:
        with in_words_of_a_command(let_through):
            driver = BlockingDriver(Address.parse(self.url), trust_of(self.fingerprint, self.authority))
            try:
                return driver.run(steps)
            finally:
                driver.close()


def endpoint_at(login: Login) -> Endpoint:
    """Where the service of a login answers, and how it is known there."""
    return Endpoint(login.endpoint, login.token, login.tls_sha256, login.authority)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
