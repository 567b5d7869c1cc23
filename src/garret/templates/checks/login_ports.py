"""No rule opens a port for remote login: guessing begins minutes after one is open, and Cloud Assistant needs none."""

from __future__ import annotations

from collections.abc import Iterator

from garret.templates.checks.finding import Finding, Subject
from garret.templates.checks.open_ingress import accepting_rules, port_range

ID = "login-ports"
RULE = "ecs-security-group-risky-ports"
_LOGIN_PORTS = (22, 3389)


def check(subject: Subject) -> Iterator[Finding]:
    """Look for 22 and 3389 in the range of every accepting rule; -1/-1 is every port."""
    for where, rule in accepting_rules(subject):
        low, high = port_range(rule)
        for port in _LOGIN_PORTS:
            if low <= port <= high:
                problem = f"opens port {port}, for remote login"
                yield Finding(ID, where, problem, "leave it out; Cloud Assistant needs no port")
