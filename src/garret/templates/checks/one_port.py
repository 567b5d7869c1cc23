"""Each rule opens one TCP port, and none for remote login: the node is operated through the cloud's own channel."""

from __future__ import annotations

import re
from collections.abc import Iterator

from garret.templates.checks.finding import Finding, Subject
from garret.templates.checks.open_ingress import ingress_rules

ID = "one-port"
_LOGIN_PORTS = (22, 3389)


def check(subject: Subject) -> Iterator[Finding]:
    """Look at protocol and port range of every accepting rule."""
    for where, rule in ingress_rules(subject):
        if str(rule.get("Policy", "accept")).lower() == "drop":
            continue
        protocol = rule.get("IpProtocol")
        if protocol != "tcp":
            yield Finding(ID, where, f"opens protocol {protocol!r}", "IpProtocol: tcp")
        ports = re.fullmatch(r"([0-9]+)/([0-9]+)", str(rule.get("PortRange", "")))
        if ports is None or ports[1] != ports[2]:
            yield Finding(ID, where, f"opens ports {rule.get('PortRange')!r}", "one port: PortRange: 443/443")
        elif int(ports[1]) in _LOGIN_PORTS:
            yield Finding(
                ID, where, f"opens port {ports[1]}, for remote login", "leave it out; Cloud Assistant needs no port"
            )
