"""Each rule opens one port: a range opens what nobody thought of."""

from __future__ import annotations

import re
from collections.abc import Iterator

from garret.templates.checks.finding import Finding, Subject
from garret.templates.checks.open_ingress import accepting_rules

ID = "one-port"
RULE = "ecs-security-group-not-open-all-port"


def check(subject: Subject) -> Iterator[Finding]:
    """Look at the port range of every accepting rule."""
    for where, rule in accepting_rules(subject):
        ports = re.fullmatch(r"([0-9]+)/([0-9]+)", str(rule.get("PortRange", "")))
        if ports is None or ports[1] != ports[2]:
            yield Finding(ID, where, f"opens ports {rule.get('PortRange')!r}", "one port: PortRange: 443/443")
