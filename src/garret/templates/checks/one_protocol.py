"""Each rule opens TCP: "all" lets protocols in that nothing here answers."""

from __future__ import annotations

from collections.abc import Iterator

from garret.templates.checks.finding import Finding, Subject
from garret.templates.checks.open_ingress import accepting_rules

ID = "one-protocol"
RULE = "ecs-security-group-not-open-all-protocol"


def check(subject: Subject) -> Iterator[Finding]:
    """Ours: TCP in every accepting rule. Others: not all of them at once."""
    for where, rule in accepting_rules(subject):
        protocol = str(rule.get("IpProtocol")).lower()
        if protocol != "tcp" if subject.own else protocol in ("all", "-1"):
            yield Finding(ID, where, f"opens protocol {rule.get('IpProtocol')!r}", "IpProtocol: tcp")
