"""A VPC: a network namespace that its nodes are plugged into, with the cloud's own servers at 100.100.x.y."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from garret.local_cloud.metadata.facts import gateway_of
from garret.local_cloud.metadata.tree import NAMESERVERS
from garret.local_cloud.nodes.driver import Doors, DriverError, Rule
from garret.local_cloud.nodes.namespace import dhcp, dns, forward, metadata_door, rules, sockets
from garret.local_cloud.nodes.namespace.loop import Loop

DOOR = "100.100.64.1"
"""Where nodes find the local cloud itself: its ROS for their signal, its ECS for their autostop."""
MIRROR = "100.100.64.2"
NAMES = {"mirrors.cloud.aliyuncs.com": MIRROR}
_OWN = (metadata_door.ADDRESS, *NAMESERVERS, DOOR, MIRROR)
_SETTINGS = ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.proxy_arp=1")

Mirror = Callable[[socket.socket], Callable[[], None]]
"""Serve packages on a listening socket; returns how to end it."""


@dataclass(frozen=True)
class Card:
    """A node's network card as the VPC sees it."""

    mac: str
    private_ip: str
    vswitch_cidr: str
    rules: tuple[Rule, ...] = ()
    device: str = ""

    @property
    def gateway(self) -> str:
        """The VSwitch's gateway: on ECS the third address from its end."""
        return gateway_of(self.vswitch_cidr)

    @property
    def lease(self) -> dhcp.Lease:
        """What DHCP tells it."""
        prefix = ipaddress.ip_network(self.vswitch_cidr).prefixlen
        return dhcp.Lease(self.private_ip, prefix, self.gateway, NAMESERVERS)


@dataclass
class Vpc:
    """One VPC of one local cloud; `open` it before a node boots, `close` ends its servers, `remove` takes it away."""

    vpc_id: str
    netns: str
    loop: Loop
    doors: Doors
    mirror: Mirror | None = None
    cards: dict[str, Card] = field(default_factory=dict)
    _open: ExitStack | None = None

    def open(self) -> None:
        """Have the namespace, and the cloud's servers in it."""
        if self._open is not None:
            return
        self._make()
        with ExitStack() as stack:
            web = sockets.listener(self.netns, metadata_door.ADDRESS, 80)
            stack.callback(metadata_door.MetadataDoor(web, self.vpc_id, self.doors.metadata).close)
            for server in NAMESERVERS:
                self._datagrams(stack, server, 53, functools.partial(_name, NAMES))
            self._datagrams(stack, "0.0.0.0", 67, self._lease)  # noqa: S104 - of a namespace without a way out
            door = sockets.listener(self.netns, DOOR, 80)
            server_of_door = self.loop.do(forward.serve(door, self._to_the_cloud))
            stack.callback(self.loop.do, _closed(server_of_door))
            if self.mirror is not None:
                stack.callback(self.mirror(sockets.listener(self.netns, MIRROR, 80)))
            self._open = stack.pop_all()
        self.guard()

    def close(self) -> None:
        """End the servers; nodes go on without them."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def guard(self) -> None:
        """Put the security groups of all nodes in force."""
        cards = list(self.cards.values())
        devices = {card.private_ip: card.device for card in cards if card.device}
        text = rules.ruleset({card.private_ip: card.rules for card in cards}, devices)
        done = subprocess.run(
            ["ip", "netns", "exec", self.netns, "nft", "-f", "-"],
            input=text, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise DriverError(f"nft refuses the rules of {self.vpc_id}: {done.stderr.strip()[:500]}")

    def _make(self) -> None:
        if not (sockets.RUN / self.netns).exists():
            run_ip("netns", "add", self.netns)
        run_ip("netns", "exec", self.netns, "sysctl", "-q", "-w", *_SETTINGS)
        run_ip("-n", self.netns, "link", "set", "lo", "up")
        for address in _OWN:
            run_ip("-n", self.netns, "addr", "replace", f"{address}/32", "dev", "lo")
        run_ip("-n", self.netns, "route", "replace", "local", str(rules.OUTSIDE), "dev", "lo")

    def _datagrams(self, stack: ExitStack, address: str, port: int, work: Callable[[socket.socket], None]) -> None:
        one = sockets.datagrams(self.netns, address, port)
        if port == 67:
            dhcp.prepare(one)
        self.loop.do(_watch(one, work))
        stack.callback(self.loop.do, _unwatch(one))

    def _lease(self, one: socket.socket) -> None:
        by_mac = {card.mac: card.lease for card in list(self.cards.values())}
        dhcp.respond(one, by_mac.get)

    def _to_the_cloud(self, _: str) -> tuple[socket.socket, tuple[str, int]]:
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        one.setblocking(False)
        address = urlsplit(self.doors.endpoint)
        return one, (address.hostname or "127.0.0.1", address.port or 80)


def run_ip(*words: str) -> None:
    """Run ip(8); DriverError with its words."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise DriverError(f"`ip {' '.join(words)}`: {(done.stderr or done.stdout).strip()[:300]}")


def _name(names: dict[str, str], one: socket.socket) -> None:
    dns.respond(one, names)


async def _watch(one: socket.socket, work: Callable[[socket.socket], None]) -> None:
    def ready() -> None:
        try:
            work(one)
        except (OSError, ValueError, IndexError):
            return  # a packet that is none, or a node that has gone: the next one counts

    asyncio.get_running_loop().add_reader(one, ready)


async def _unwatch(one: socket.socket) -> None:
    asyncio.get_running_loop().remove_reader(one)
    one.close()


async def _closed(server: asyncio.Server) -> Any:
    server.close()
