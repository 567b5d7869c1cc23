"""How every part of the client asks: JSON there and back, bytes, and files, with the client's manners."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from garret import __version__
from garret.client.driver import Driven
from garret.client.errors import Misused, Unreadable
from garret.client.reading import table
from garret.client.steps import Ask, Reply, Steps

D = TypeVar("D")
Table: TypeAlias = dict[str, Any]

IDEMPOTENT = ("GET", "PUT", "DELETE")


class Asking(Driven[D]):
    """What the parts share."""

    def json(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        query: Mapping[str, object] | None = None,
        key: str = "",
        again: bool = False,
        timeout_s: float | None = None,
        silence_s: float | None = None,
    ) -> Steps[Any]:
        """Ask, and return the JSON that is answered; None where there is none.

        With a `key` (its Idempotency-Key) or `again`, it may come twice to no harm.
        """
        reply = yield from self.reply(
            method, path, body, query=query, key=key, again=again, timeout_s=timeout_s, silence_s=silence_s
        )
        if not reply.body:
            return None
        try:
            return json.loads(reply.body)
        except ValueError:
            raise Unreadable(f"{method} {path} is answered with something that is not JSON") from None

    def table(self, method: str, path: str, body: Mapping[str, Any] | bytes | None = None, **how: Any) -> Steps[Table]:
        """Ask, and return the table that is answered; `how` as for `json`."""
        return table((yield from self.json(method, path, body, **how)), "a table", ())

    def rows(self, path: str, query: Mapping[str, object] | None = None) -> Steps[list[Any]]:
        """Ask, and return what a list holds."""
        said = yield from self.table("GET", path, query=query)
        return list(table(said, "a list", ("data",))["data"])

    def reply(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        query: Mapping[str, object] | None = None,
        key: str = "",
        again: bool = False,
        timeout_s: float | None = None,
        silence_s: float | None = None,
    ) -> Steps[Reply]:
        """Ask, and return the answer as it is."""
        ask = self.ask(method, path, body, query=query, key=key, timeout_s=timeout_s)
        repeatable = again or bool(key) or method in IDEMPOTENT
        return (yield from self.manners.answer(ask, repeatable=repeatable, silence_s=silence_s))

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        query: Mapping[str, object] | None = None,
        key: str = "",
        timeout_s: float | None = None,
    ) -> Ask:
        """Return the request."""
        headers = {"Accept": "application/json", "User-Agent": f"garret/{__version__}", **self.manners.headers}
        if key:
            headers["Idempotency-Key"] = key
        data: bytes | None
        if body is None or isinstance(body, bytes):
            data = body
            if body is not None:
                headers["Content-Type"] = "application/octet-stream"
        else:
            data = _text(body).encode()
            headers["Content-Type"] = "application/json"
        said = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        full = f"{path}?{urlencode(said)}" if said else path
        return Ask(method, full, headers, data, self.manners.timeout_s if timeout_s is None else timeout_s)


def part(text: str) -> str:
    """Return a text as one component of a path."""
    return quote(text, safe="")


def _text(body: Mapping[str, Any]) -> str:
    try:
        return json.dumps(body, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Misused(
            f"the request cannot be written as JSON: {error}", "Numbers, texts, lists and tables can"
        ) from None
