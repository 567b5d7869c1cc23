"""Asking what listens on this node: the service or the front at its public port, and whether a port is free."""

from __future__ import annotations

import errno
import hashlib
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping

from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.steps.node import Node
from garret.image_bootstrap.steps.token import node_token

_LARGEST_REPLY = 64 << 20


def as_node(node: Node) -> dict[str, str]:
    """Return the header by which the service knows its own node."""
    return {"Authorization": f"Bearer {node_token(node.host)}"}


def ask_readyz(node: Node) -> tuple[int, str]:
    """Ask whether a picture can be made, at the node's public port as a caller would; returns the status and the body.

    Raises:
        OSError: nothing answers there, or not with this node's certificate.
    """
    return ask(node, "/readyz", as_node(node))


def ask(node: Node, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Get what is at a path of the node's public port; returns the status and the body as text.

    Raises:
        OSError: nothing answers there, or not with this node's certificate.
    """
    status, body = fetch(node, "GET", path, headers=headers)
    return status, body.decode("utf-8", "replace")


def fetch(
    node: Node,
    method: str,
    path: str,
    body: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 5,
) -> tuple[int, bytes]:
    """Ask something at the node's public port; returns the status and the body as it came.

    Raises:
        OSError: nothing answers there, or not with this node's certificate.
    """
    address = node.service_host
    if ipaddress.ip_address(address).is_unspecified:
        address = "127.0.0.1"
    connection: http.client.HTTPConnection
    if node.has_tls:
        # Self-signed: who answers is known by the certificate itself, not by who vouches for it.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secure = http.client.HTTPSConnection(address, node.config.service_port, timeout=timeout_s, context=context)
        secure.connect()
        shown = hashlib.sha256(secure.sock.getpeercert(binary_form=True) or b"").hexdigest()
        if shown != node.facts["tls_sha256"]:
            secure.close()
            raise OSError("somebody answers with another certificate")
        connection = secure
    else:
        connection = http.client.HTTPConnection(address, node.config.service_port, timeout=timeout_s)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read(_LARGEST_REPLY)
    finally:
        connection.close()


def check_port_is_free(address: str, port: int) -> None:
    """Find out here, where there are words for it, what would make a server die at its start.

    Raises:
        StepFailed: names address and port, and what to do.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StepFailed(
                    f"{address}:{port} is already in use on this machine; "
                    "stop the program that listens there, or choose another --port"
                ) from None
            if error.errno == errno.EACCES:
                raise StepFailed(f"{address}:{port} needs root; choose a --port above 1023") from None
            raise StepFailed(f"{address}:{port} cannot be listened on: {error.strerror}") from None
