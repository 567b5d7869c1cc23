"""The node has no public address of its own: it would be lost at each stop, and lie beside the limited EIP."""

from __future__ import annotations

from collections.abc import Iterator

from garret.templates.checks.finding import NODE_TYPES, Finding, Subject

ID = "own-address"
RULE = "ecs-internetmaxbandwidth"


def check(subject: Subject) -> Iterator[Finding]:
    """Neither an allocated address nor outgoing bandwidth."""
    for name, properties in subject.resources(*NODE_TYPES):
        where = f"Resources.{name}"
        if str(properties.get("AllocatePublicIP", False)).lower() == "true":
            yield Finding(ID, where, "gets an address that a stop takes away", "AllocatePublicIP: false")
        width = properties.get("InternetMaxBandwidthOut")
        if width not in (None, 0, "0"):
            problem = f"opens {width!r} Mbit/s to the internet by itself"
            yield Finding(ID, f"{where}.InternetMaxBandwidthOut", problem, "leave it out; the EIP has the bandwidth")
