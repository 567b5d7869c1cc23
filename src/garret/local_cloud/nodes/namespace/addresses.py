"""Public addresses of nodes: listeners on this machine's loopback, and from there into the VPC."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterable
from typing import Any

from garret.local_cloud.nodes.driver import Rule
from garret.local_cloud.nodes.namespace import forward, sockets
from garret.local_cloud.nodes.namespace.loop import Loop
from garret.local_cloud.nodes.namespace.rules import seen_from_inside

MOST_PORTS = 64
"""Of a rule: one that opens more is in force inside the VPC, and reached from there only."""


class Addresses:
    """Which ports of which public address lead to which node; TCP only."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._open: dict[tuple[str, int], tuple[asyncio.Server, str]] = {}

    def lead(self, public_ip: str, netns: str, private_ip: str, rules: Iterable[Rule]) -> None:
        """Have the address lead to the node, at the ports that its groups open, and at no other."""
        wanted, target = ports(rules), f"{netns} {private_ip}"
        for (address, port), (_, known) in list(self._open.items()):
            if address == public_ip and (port not in wanted or known != target):
                self._end(address, port)
        for port in wanted:
            if (public_ip, port) in self._open:
                continue
            try:
                listener = _listen(public_ip, port)
            except OSError as error:
                sys.stderr.write(f"{public_ip}:{port} cannot be listened on: {error.strerror}\n")
                continue
            connect = _connector(netns, private_ip, port)
            self._open[public_ip, port] = self._loop.do(forward.serve(listener, connect)), target

    def leave(self, public_ip: str) -> None:
        """Have the address lead nowhere."""
        for address, port in list(self._open):
            if address == public_ip:
                self._end(address, port)

    def close(self) -> None:
        """Have no address lead anywhere."""
        for address, port in list(self._open):
            self._end(address, port)

    def _end(self, address: str, port: int) -> None:
        server, _ = self._open.pop((address, port))
        with contextlib.suppress(TimeoutError):
            self._loop.do(_closed(server))


def ports(rules: Iterable[Rule]) -> set[int]:
    """The TCP ports that some rule opens, without those of rules that open very many."""
    found: set[int] = set()
    for rule in rules:
        few = 0 < rule.port_from <= rule.port_to < rule.port_from + MOST_PORTS
        if rule.policy == "accept" and rule.protocol == "tcp" and few:
            found.update(range(rule.port_from, rule.port_to + 1))
    return found


def _listen(address: str, port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind((address, port))
        one.listen(256)
    except OSError:
        one.close()
        raise
    return one


def _connector(netns: str, private_ip: str, port: int) -> forward.Connect:
    def connect(caller: str) -> tuple[socket.socket, tuple[str, int]]:
        return sockets.caller(netns, seen_from_inside(caller)), (private_ip, port)

    return connect


async def _closed(server: asyncio.Server) -> Any:
    server.close()
