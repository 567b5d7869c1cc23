"""Security groups as nftables: for each node what its groups let in, anything else dropped."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from garret.local_cloud.nodes.driver import Rule

LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")
OUTSIDE = ipaddress.IPv4Network("198.18.0.0/15")
"""Where callers from this machine seem to come from, inside a VPC: a loopback address cannot leave its machine."""
_TABLE = "garret"


def seen_from_inside(address: str) -> str:
    """The address that a caller from this machine has inside a VPC: 127.0.0.1 is 198.18.0.1."""
    number = int(ipaddress.ip_address(address)) & 0xFFFF
    return str(OUTSIDE.network_address + number)


def ruleset(nodes: Mapping[str, Iterable[Rule]], devices: Mapping[str, str] | None = None) -> str:
    """The whole table, by the nodes' private addresses; loading it replaces the one before at once.

    `devices` are the nodes' network cards by the same addresses: from each comes its own address only.
    """
    chains = [_chain(number, rules) for number, (_, rules) in enumerate(nodes.items())]
    verdicts = ", ".join(f"{address} : jump node{number}" for number, address in enumerate(nodes))
    to_nodes = f"    ip daddr vmap {{ {verdicts} }}\n" if verdicts else ""
    known = "    ct state established,related accept\n"
    hooks = "".join(
        f"  chain {hook} {{\n    type filter hook {hook} priority 0; policy accept;\n{known}{to_nodes}  }}\n"
        for hook in ("forward", "output")
    )
    spoofed = "".join(
        f"    iifname {device} ip saddr != {{ {address}, 0.0.0.0 }} drop\n"
        for address, device in (devices or {}).items()
    )
    hooks += f"  chain sources {{\n    type filter hook prerouting priority -300; policy accept;\n{spoofed}  }}\n"
    return f"table inet {_TABLE}\ndelete table inet {_TABLE}\ntable inet {_TABLE} {{\n{''.join(chains)}{hooks}}}\n"


def _chain(number: int, rules: Iterable[Rule]) -> str:
    # A smaller priority first; at the same one, what drops before what accepts.
    ordered = sorted(rules, key=lambda rule: (rule.priority, rule.policy != "drop"))
    lines = "".join(f"    {_line(rule)}\n" for rule in ordered)
    return f"  chain node{number} {{\n{lines}    drop\n  }}\n"


def _line(rule: Rule) -> str:
    verdict = "drop" if rule.policy == "drop" else "accept"
    source = _source(rule.cidr)
    if rule.protocol in ("tcp", "udp"):
        if rule.port_from < 0 or (rule.port_from, rule.port_to) == (1, 65535):
            return f"{source}meta l4proto {rule.protocol} {verdict}"
        ports = str(rule.port_from) if rule.port_from == rule.port_to else f"{rule.port_from}-{rule.port_to}"
        return f"{source}{rule.protocol} dport {ports} {verdict}"
    if rule.protocol == "icmp":
        return f"{source}meta l4proto {{ icmp, icmpv6 }} {verdict}"
    return f"{source}{verdict}"


def _source(cidr: str) -> str:
    network = ipaddress.ip_network(cidr or "0.0.0.0/0", strict=False)
    if network.prefixlen == 0:
        return ""
    if network.version == 6:
        return f"ip6 saddr {network} "
    if isinstance(network, ipaddress.IPv4Network) and network.subnet_of(LOOPBACK):
        prefix = max(network.prefixlen, OUTSIDE.prefixlen)
        network = ipaddress.ip_network(f"{seen_from_inside(str(network.network_address))}/{prefix}", strict=False)
    return f"ip saddr {network} "
