"""Ask the vendor's products with the standard library alone: for reads, where an SDK's import would be the whole wait.

Every request is signed with ACS3-HMAC-SHA256 as the typed SDKs sign theirs, over connections that are kept alive.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import threading
import weakref
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from garret.ops.aliyun.products import IN_BODY, PRODUCTS
from garret.service_runtime.acs3 import AccessKeys, query_string, signed_headers
from garret.settings import is_loopback

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5.0, 30.0
LARGEST_REPLY = 64 << 20
FORM = "application/x-www-form-urlencoded"
_STALE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


class Refused(Exception):
    """The product answered with an error; `retry_after_s` and `date` are the answer's headers, where it had them."""

    def __init__(
        self, code: str, message: str, *, status: int, request_id: str = "", retry_after_s: float = 0, date: str = ""
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status_code = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.date = date


class Unanswered(Exception):
    """No answer came; `again` says that another try may bring one."""

    def __init__(self, why: str, *, again: bool = True) -> None:
        super().__init__(why)
        self.again = again


class SignedReader:
    """Signed questions to any of the products; may be used by several threads at once."""

    def __init__(self) -> None:
        self._idle: dict[str, list[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)

    def ask(
        self, endpoint: str, product: str, action: str, parameters: Mapping[str, Any], keys: AccessKeys
    ) -> dict[str, Any]:
        """The answer to one action; nested parameters are flattened, None is left out.

        Raises:
            Refused: with the cloud's code.
            Unanswered: nothing usable came back.
        """
        known = PRODUCTS[product]
        flat = flattened(parameters)
        form = {name: value for name, value in flat.items() if known.form or name in IN_BODY}
        query = {name: value for name, value in flat.items() if name not in form}
        body = query_string(form).encode() if form else b""
        headers = signed_headers(
            keys,
            host=urlsplit(endpoint).netloc,
            action=action,
            version=known.version,
            parameters=query,
            body=body,
            content_type=FORM if form else "",
        )
        path = f"/?{query_string(query)}"
        try:
            status, told, raw = self._exchange(endpoint, path, body, headers)
        except ssl.SSLCertVerificationError as error:
            raise Unanswered(f"its certificate is not trusted: {error.verify_message}", again=False) from error
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(f"{type(error).__name__}: {error}") from error
        return _parsed(status, told, raw)

    def _exchange(
        self, endpoint: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        while True:
            connection, used = self._taken(endpoint)
            try:
                connection.request(
                    "POST", path, body, {"accept": "application/json", "user-agent": "garret", **headers}
                )
                reply = connection.getresponse()
                raw = reply.read(LARGEST_REPLY + 1)
            except _STALE:
                connection.close()
                if used:  # the other side hung up while it lay idle: nothing was read there, so it is no answer
                    continue
                raise
            except BaseException:
                connection.close()
                raise
            if len(raw) > LARGEST_REPLY:
                connection.close()
                raise Unanswered(f"the answer is longer than {LARGEST_REPLY >> 20} MB", again=False)
            self._give_back(endpoint, connection)
            return reply.status, reply.headers, raw

    def _taken(self, endpoint: str) -> tuple[http.client.HTTPConnection, bool]:
        """A connection, and whether it was used before."""
        with self._lock:
            idle = self._idle.get(endpoint)
            if idle:
                return idle.pop(), True
        connection = _connection(endpoint)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:
            connection.sock.settimeout(READ_TIMEOUT_S)
        return connection, False

    def _give_back(self, endpoint: str, connection: http.client.HTTPConnection) -> None:
        if connection.sock is None:  # the other side wanted it closed
            return
        with self._lock:
            self._idle.setdefault(endpoint, []).append(connection)


def flattened(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Parameters as they travel: {"Tag": [{"Key": "a"}]} as Tag.1.Key, truth as true and false, None left out."""
    flat: dict[str, str] = {}
    for name, value in parameters.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{path}.")
        elif isinstance(value, (list, tuple)):
            flat |= flattened({str(number): one for number, one in enumerate(value, 1)}, f"{path}.")
        elif isinstance(value, bool):
            flat[path] = "true" if value else "false"
        elif value is not None:
            flat[path] = str(value)
    return flat


def _connection(endpoint: str) -> http.client.HTTPConnection:
    address = urlsplit(endpoint)
    host = address.hostname or ""
    if address.scheme == "http":  # loopback only, as the settings have checked; no proxy stands before it
        return http.client.HTTPConnection(host, address.port or 80, timeout=CONNECT_TIMEOUT_S)
    proxy = _proxy(host)
    if not proxy:
        return http.client.HTTPSConnection(host, address.port or 443, timeout=CONNECT_TIMEOUT_S)
    before = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    connection = http.client.HTTPSConnection(before.hostname or "", before.port or 80, timeout=CONNECT_TIMEOUT_S)
    connection.set_tunnel(host, address.port or 443, _proxy_login(before.username, before.password))
    return connection


def _proxy(host: str) -> str:
    """The proxy that the environment wants between us and a host, if any."""
    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    found = next((os.environ[name] for name in names if os.environ.get(name)), "")
    if not found or is_loopback(host):
        return ""
    from urllib.request import proxy_bypass

    return "" if proxy_bypass(host) else found


def _proxy_login(user: str | None, password: str | None) -> dict[str, str]:
    if not user:
        return {}
    import base64
    from urllib.parse import unquote

    pair = f"{unquote(user)}:{unquote(password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _parsed(status: int, headers: http.client.HTTPMessage, raw: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(raw)
    except ValueError:
        reply = None
    if status < 400 and isinstance(reply, dict):
        return reply
    told = reply if isinstance(reply, dict) else {}
    after = headers.get("x-acs-retry-after", "")
    raise Refused(
        str(told.get("Code") or "NotJson"),
        str(told.get("Message") or f"the answer is not a JSON object (HTTP {status})"),
        status=status,
        request_id=str(told.get("RequestId") or headers.get("x-acs-request-id") or ""),
        retry_after_s=int(after) / 1000 if after.isdigit() else 0,
        date=headers.get("date", ""),
    )


def _close_all(idle: dict[str, list[http.client.HTTPConnection]]) -> None:
    for connections in idle.values():
        for connection in connections:
            connection.close()
