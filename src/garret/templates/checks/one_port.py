"""Each rule opens one port: a range opens what nobody thought of."""

from __future__ import annotations

from collections.abc import Iterator

from garret.templates.checks.finding import Finding, Subject
from garret.templates.checks.open_ingress import accepting_rules, port_range

ID = "one-port"
RULE = "ecs-security-group-not-open-all-port"
NEARLY_ALL = 65_000


def check(subject: Subject) -> Iterator[Finding]:
    """Ours: a single port in every accepting rule. Others: not every port, nor nearly."""
    for where, rule in accepting_rules(subject):
        low, high = port_range(rule)
        if (low != high or low <= 0) if subject.own else high - low >= NEARLY_ALL:
            yield Finding(ID, where, f"opens ports {rule.get('PortRange')!r}", "one port: PortRange: 443/443")
