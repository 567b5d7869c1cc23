"""The node has no public address of its own: it would be lost at each stop, and lie beside the limited EIP."""

from __future__ import annotations

from collections.abc import Iterator

from garret.templates.checks.finding import NODE_TYPES, Finding, Subject, highest

ID = "own-address"
RULE = "ecs-internetmaxbandwidth"
BANDWIDTH_MBPS = 200


def check(subject: Subject) -> Iterator[Finding]:
    """Ours: neither an allocated address nor outgoing bandwidth. Others: outgoing bandwidth is bounded."""
    for name, properties in subject.resources(*NODE_TYPES):
        where, width = f"Resources.{name}", properties.get("InternetMaxBandwidthOut")
        if not subject.own:
            limit = 0 if width is None else highest(subject, width)
            if limit is None or limit > BANDWIDTH_MBPS:
                said = "no limit" if limit is None else f"{limit:g} Mbit/s"
                hint = f"at most {BANDWIDTH_MBPS}, or a parameter with MaxValue: {BANDWIDTH_MBPS}"
                yield Finding(ID, f"{where}.InternetMaxBandwidthOut", f"has {said} to the internet by itself", hint)
            continue
        if str(properties.get("AllocatePublicIP", False)).lower() == "true":
            yield Finding(ID, where, "gets an address that a stop takes away", "AllocatePublicIP: false")
        if width not in (None, 0, "0"):
            problem = f"opens {width!r} Mbit/s to the internet by itself"
            yield Finding(ID, f"{where}.InternetMaxBandwidthOut", problem, "leave it out; the EIP has the bandwidth")
