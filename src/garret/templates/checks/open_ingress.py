"""Nobody but the named ranges gets in: a stack open to the world is found by scanners within minutes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from garret.templates.checks.finding import Finding, Subject, branches

ID = "open-ingress"
RULE = "ecs-security-group-not-internet-cidr-access"
WIDEST_PREFIX = {4: 8, 6: 32}
_HINT = "name your own range: --allow-cidr 203.0.113.7/32; the whole internet only with --public as well"
_WHOLE = ("0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1")


def check(subject: Subject) -> Iterator[Finding]:
    """Look at the source of every accepting rule, through parameters as well."""
    if subject.public:
        return
    for where, rule in accepting_rules(subject):
        if subject.acme and is_challenge(rule):
            continue
        sources = [rule[key] for key in ("SourceCidrIp", "Ipv6SourceCidrIp") if rule.get(key)]
        groups = [key for key in ("SourceGroupId", "SourcePrefixListId") if rule.get(key)]
        if not sources and not groups:
            yield Finding(ID, where, "names no source, so everybody is let in", _HINT)
        for source in (one for said in sources for one in branches(said)):
            problem = _problem(subject, source)
            if problem:
                yield Finding(ID, where, problem, _HINT)


def is_challenge(rule: Mapping[str, Any]) -> bool:
    """Whether a rule is the one that ACME needs: port 80 alone, for everyone, because authorities ask from anywhere."""
    said = {key: str(rule.get(key)) for key in ("IpProtocol", "PortRange", "SourceCidrIp")}
    return said == {"IpProtocol": "tcp", "PortRange": "80/80", "SourceCidrIp": "0.0.0.0/0"}


def accepting_rules(subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (path, rule) of every ingress rule that lets somebody in."""
    for where, rule in ingress_rules(subject):
        if str(rule.get("Policy", "accept")).lower() != "drop":
            yield where, rule


def port_range(rule: Mapping[str, Any]) -> tuple[int, int]:
    """The first and last port that a rule opens; (0, 0) for protocols without ports, and for what cannot be read."""
    ports = re.fullmatch(r"(-?[0-9]+)/(-?[0-9]+)", str(rule.get("PortRange", "")).strip())
    if ports is None or str(rule.get("IpProtocol")).lower() in ("icmp", "icmpv6", "gre"):
        return 0, 0
    low, high = int(ports[1]), int(ports[2])
    return (1, 65_535) if low == -1 else (low, high)


def ingress_rules(subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (path, rule) of every ingress rule, those of separate resources too."""
    for name, properties in subject.resources("ALIYUN::ECS::SecurityGroup"):
        where = f"Resources.{name}.SecurityGroupIngress"
        for rules in branches(properties.get("SecurityGroupIngress") or []):
            for index, entry in enumerate(rules if isinstance(rules, list) else [rules]):
                for rule in branches(entry):
                    yield f"{where}.{index}", dict(rule) if isinstance(rule, Mapping) else {"PortRange": rule}
    for name, properties in subject.resources("ALIYUN::ECS::SecurityGroupIngress"):
        yield f"Resources.{name}", dict(properties)


def _problem(subject: Subject, source: Any) -> str:
    if isinstance(source, str):
        return _literal_problem(source)
    if isinstance(source, dict) and isinstance(source.get("Ref"), str):
        return _parameter_problem(source["Ref"], subject.section("Parameters").get(source["Ref"]))
    return "takes its source from an expression that cannot be read here"


def _literal_problem(source: str) -> str:
    try:
        network = ipaddress.ip_network(source.strip(), strict=False)
    except ValueError:
        return f"has a source {source!r} that is not a range of addresses"
    return f"lets {source} in" if network.prefixlen < WIDEST_PREFIX[network.version] else ""


def _parameter_problem(name: str, parameter: Any) -> str:
    """A parameter must refuse the whole internet by itself: whoever fills it in later is not checked by us."""
    pattern = parameter.get("AllowedPattern") if isinstance(parameter, dict) else None
    if not isinstance(pattern, str):
        return f"takes its source from {name}, which has no AllowedPattern"
    if any(re.search(pattern, whole) for whole in _WHOLE):
        return f"takes its source from {name}, whose AllowedPattern lets the whole internet through"
    default = parameter.get("Default")
    return _literal_problem(default) if isinstance(default, str) else ""
