"""Each rule opens TCP: "all" lets protocols in that nothing here answers."""

from __future__ import annotations

from collections.abc import Iterator

from garret.templates.checks.finding import Finding, Subject
from garret.templates.checks.open_ingress import accepting_rules

ID = "one-protocol"
RULE = "ecs-security-group-not-open-all-protocol"


def check(subject: Subject) -> Iterator[Finding]:
    """Look at the protocol of every accepting rule."""
    for where, rule in accepting_rules(subject):
        if rule.get("IpProtocol") != "tcp":
            yield Finding(ID, where, f"opens protocol {rule.get('IpProtocol')!r}", "IpProtocol: tcp")
