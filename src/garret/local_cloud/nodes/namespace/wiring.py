"""How nodes hang together: which VPC each is plugged into, by which rules, and which address leads to it."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.metadata.facts import gateway_of
from garret.local_cloud.nodes.driver import Doors, NodeRequest, Rule
from garret.local_cloud.nodes.namespace import sockets
from garret.local_cloud.nodes.namespace.addresses import Addresses
from garret.local_cloud.nodes.namespace.loop import Loop
from garret.local_cloud.nodes.namespace.vpc import Card, Mirror, Vpc, run_ip

Record = Mapping[str, Any]
"""A node as node.json has it: instance_id, public_ip, rules, and its network."""


class Wiring:
    """The networks of one local cloud; `mark` tells its namespaces from those of other clouds on this machine."""

    def __init__(self, mark: str, mirror: Mirror | None) -> None:
        self.doors = Doors("http://127.0.0.1:9", lambda *_: (404, "not found"))
        self._mark, self._mirror = mark, mirror
        self._vpcs: dict[str, Vpc] = {}
        self._lock = threading.RLock()

    @functools.cached_property
    def _loop(self) -> Loop:
        return Loop()

    @functools.cached_property
    def _addresses(self) -> Addresses:
        return Addresses(self._loop)

    def network(self, node: NodeRequest) -> dict[str, str]:
        """What a new node's record says of its network."""
        return {
            "vpc_id": node.vpc_id,
            "netns": f"gl{self._mark}-{hashlib.sha256(node.vpc_id.encode()).hexdigest()[:8]}",
            "device": "n" + hashlib.sha256(node.instance_id.encode()).hexdigest()[:12],
            "mac": node.mac,
            "private_ip": node.private_ip,
            "vswitch_cidr": node.vswitch_cidr,
            "gateway": gateway_of(node.vswitch_cidr),
        }

    def plug(self, record: Record) -> None:
        """Have the node's VPC open, its rules in force, and its public address lead to it."""
        with self._lock:
            net = record["network"]
            vpc = self._vpcs.get(net["netns"])
            if vpc is None:
                vpc = Vpc(net["vpc_id"], net["netns"], self._loop, self.doors, self._mirror)
                self._vpcs[net["netns"]] = vpc
            rules = tuple(Rule(**rule) for rule in record["rules"])
            card = Card(net["mac"], net["private_ip"], net["vswitch_cidr"], rules, net["device"])
            vpc.cards[record["instance_id"]] = card
            vpc.open()
            vpc.guard()
            if record["public_ip"]:
                self._addresses.lead(record["public_ip"], net["netns"], net["private_ip"], rules)

    def unplug(self, record: Record, is_last: bool) -> None:
        """Take a node out of its VPC, whose namespace goes with the last one."""
        with self._lock:
            net = record["network"]
            if record["public_ip"]:
                self.leave(record["public_ip"])
            vpc = self._vpcs.get(net["netns"])
            if vpc is not None:
                vpc.cards.pop(record["instance_id"], None)
                if vpc.cards:
                    vpc.guard()
                    return
                vpc.close()
                del self._vpcs[net["netns"]]
            if is_last and (sockets.RUN / net["netns"]).exists():
                run_ip("netns", "del", net["netns"])

    def leave(self, public_ip: str) -> None:
        """Have a public address lead nowhere."""
        self._addresses.leave(public_ip)

    def close(self) -> None:
        """Close the cloud's doors to the nodes, which go on."""
        with self._lock:
            for vpc in self._vpcs.values():
                vpc.close()
            self._vpcs.clear()
            if "_addresses" in self.__dict__:
                self._addresses.close()

    def clear(self) -> None:
        """Close everything, and remove the namespaces, also those that an earlier server left."""
        self.close()
        for netns in sockets.RUN.glob(f"gl{self._mark}-*"):
            run_ip("netns", "del", netns.name)
