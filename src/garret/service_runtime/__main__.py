"""Serve: `python -m garret.service_runtime`, with its settings in the environment.

The worker processes are started before anything else is imported, so that they load while this process does.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import ipaddress
import math
import os
import signal
import socket
import sqlite3
import ssl
import sys
from collections.abc import MutableMapping
from types import FrameType
from typing import Any

from garret.service_runtime.life import LISTENER, RESTART, begin_anew
from garret.service_runtime.logs import set_up
from garret.service_runtime.settings import ServiceSettings, SettingsError
from garret.service_runtime.tracing import Tracing, open_tracing

EXIT_SETTINGS = 2
EXIT_PORT_BUSY = 3
# Threads at work on pictures and records hand Python's lock to the event loop after so long: it needs it several times
# for each answer, and five milliseconds each, as by default, is what a caller notices.
_SWITCH_S = 0.001


def check_exposure(settings: ServiceSettings) -> None:
    """Refuse to listen beyond this machine without both a login and TLS, and behind a front without a login."""
    if settings.trusted_proxy and not settings.has_login:
        reason = "a front passes on what other machines send, and there is no login"
        raise SettingsError("GARRET_SERVICE_TRUSTED_PROXY", reason, "Set GARRET_SERVICE_PASSWORD_HASH")
    if _is_loopback(settings.host) or (settings.has_login and settings.has_tls):
        return
    missing = " and ".join(
        name for name, there in (("a login", settings.has_login), ("TLS", settings.has_tls)) if not there
    )
    raise SettingsError(
        "GARRET_SERVICE_HOST",
        f"{settings.host} can be reached from other machines, and there is no {missing.removeprefix('a ')}",
        "Set GARRET_SERVICE_PASSWORD_HASH, GARRET_SERVICE_TLS_CERTIFICATE and GARRET_SERVICE_TLS_KEY, "
        "or listen on 127.0.0.1",
    )


def check_certificate(settings: ServiceSettings) -> None:
    """Refuse a certificate or key that cannot be used, naming the file."""
    if not settings.has_tls:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        text = f"{settings.tls_certificate} and {settings.tls_key} do not make a server: {error}"
        raise SettingsError("GARRET_SERVICE_TLS_CERTIFICATE", text) from None


def listen(settings: ServiceSettings) -> socket.socket:
    """Return the bound socket, before any worker is started for nothing."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off only on sockets that say they are TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    listener.listen(512)
    return listener


def inherited(environment: MutableMapping[str, str]) -> socket.socket | None:
    """Return the socket of the process that this one was before, when it begins anew."""
    descriptor = environment.pop(LISTENER, "")
    if not descriptor.isdigit():
        return None
    listener = socket.socket(fileno=int(descriptor))
    listener.set_inheritable(False)
    return listener


def main() -> int:
    """Serve until told to stop; return the exit code."""
    try:
        settings = ServiceSettings.from_env(os.environ)
        set_up(settings.log_format)
        check_exposure(settings)
        check_certificate(settings)
        tracing = open_tracing(settings)
    except SettingsError as error:
        return _say(f"garret: {error}", EXIT_SETTINGS)
    try:
        listener = inherited(os.environ) or listen(settings)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text = f"{settings.host} port {settings.port} is in use; stop what holds it or set GARRET_SERVICE_PORT"
        else:
            text = f"cannot listen on {settings.host} port {settings.port}: {error.strerror}"
        return _say(f"garret: {text}", EXIT_PORT_BUSY)
    with listener:
        return serve(settings, listener, tracing)


def serve(settings: ServiceSettings, listener: socket.socket, tracing: Tracing | None = None) -> int:
    """Run the HTTP server on a bound socket."""
    from garret.service_runtime.service import Service

    kept = listener.dup()
    servers: list[Any] = []

    def end() -> None:
        for server in servers:
            server.should_exit = True

    try:
        service = Service(settings, end=end, watchers=[tracing] if tracing else [])
    except (OSError, sqlite3.Error) as error:
        return _say(f"garret: GARRET_SERVICE_STATE_DIR: {settings.state_dir} cannot be used: {error}", EXIT_SETTINGS)
    signal.signal(RESTART, lambda _number, _frame: service.renewal.ask())
    service.pool.start_early()
    service.extensions.load()
    import uvicorn

    from garret.service_runtime.app import create_app
    from garret.service_runtime.heap import keep_heap
    from garret.service_runtime.patience import protocol

    keep_heap()
    sys.setswitchinterval(_SWITCH_S)

    class Server(uvicorn.Server):
        """Tells waiting callers at once that the service stops; uvicorn alone would wait for their pictures."""

        was_told = False

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  (a signal handler's shape)
            # Not uvicorn's own, which raises the signal again in the end: being told to stop is no failure.
            self.was_told = True
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True
            service.stop_soon()

    config = uvicorn.Config(
        create_app(service),
        log_level="warning",
        # Its own handlers write text; without them its lines go the way of all others.
        log_config=uvicorn.config.LOGGING_CONFIG if settings.log_format == "text" else None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=5,
        timeout_keep_alive=math.ceil(settings.client_timeout_s),
        ssl_certfile=settings.tls_certificate or None,
        ssl_keyfile=settings.tls_key or None,
        h11_max_incomplete_event_size=16_384,
        http=protocol(settings.client_timeout_s),
        # Without a front, whoever calls from this machine could claim to be anybody.
        proxy_headers=settings.trusted_proxy,
        forwarded_allow_ips="127.0.0.1,::1",
    )
    scheme = "https" if settings.has_tls else "http"
    host, port = listener.getsockname()[:2]
    print(f"garret: serving on {scheme}://{host}:{port}", flush=True)  # noqa: T201  (the one line a supervisor looks for)
    server = Server(config)
    servers.append(server)
    # What is there by now stays: looking through all of it for garbage, again and again, holds everybody up.
    gc.freeze()
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if tracing is not None:
        tracing.close()
    if service.renewal.asked and server.started and not server.was_told:
        service.trial.release()
        begin_anew(kept.fileno())
    return 0 if server.started else 1


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _say(text: str, code: int) -> int:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  (the last line of a process that ends)
    return code


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sys.exit(main())
