"""Security groups as nftables text."""

from __future__ import annotations

import pytest

from garret.local_cloud.nodes.driver import Rule
from garret.local_cloud.nodes.namespace.addresses import ports
from garret.local_cloud.nodes.namespace.rules import ruleset, seen_from_inside


def chain(*rules: Rule) -> list[str]:
    """Return the lines of a node's chain."""
    text = ruleset({"192.168.1.10": rules})
    return [line.strip() for line in text.partition("chain node0 {")[2].partition("\n  }")[0].strip().splitlines()]


def test_what_no_rule_lets_in_is_dropped() -> None:
    """A node without rules gets nothing but answers to its own questions."""
    assert chain() == ["drop"]
    assert "ct state established,related accept" in ruleset({})


def test_smaller_priorities_come_first_and_drop_before_accept() -> None:
    """The vendor's order."""
    rules = (
        Rule("tcp", 443, 443, "10.0.0.0/8", priority=2),
        Rule("tcp", 443, 443, "0.0.0.0/0", priority=1),
        Rule("tcp", 443, 443, "10.1.0.0/16", "drop", 1),
    )
    assert chain(*rules) == [
        "ip saddr 10.1.0.0/16 tcp dport 443 drop",
        "tcp dport 443 accept",
        "ip saddr 10.0.0.0/8 tcp dport 443 accept",
        "drop",
    ]


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (Rule("udp", 53, 60, "10.0.0.0/8"), "ip saddr 10.0.0.0/8 udp dport 53-60 accept"),
        (Rule("tcp", 1, 65535, ""), "meta l4proto tcp accept"),
        (Rule("icmp", -1, -1, ""), "meta l4proto { icmp, icmpv6 } accept"),
        (Rule("all", -1, -1, "10.9.9.9/32"), "ip saddr 10.9.9.9/32 accept"),
        (Rule("tcp", 22, 22, "::/0"), "tcp dport 22 accept"),
        (Rule("tcp", 22, 22, "2001:db8::/32"), "ip6 saddr 2001:db8::/32 tcp dport 22 accept"),
        # This machine's own addresses are others inside a VPC.
        (Rule("tcp", 22, 22, "127.0.0.1/32"), "ip saddr 198.18.0.1/32 tcp dport 22 accept"),
        (Rule("tcp", 22, 22, "127.0.0.0/8"), "ip saddr 198.18.0.0/15 tcp dport 22 accept"),
    ],
)
def test_a_rule_is_one_line(rule: Rule, line: str) -> None:
    """Protocols, ports and sources as nft writes them."""
    assert chain(rule)[0] == line


def test_callers_from_this_machine_keep_the_end_of_their_address() -> None:
    """So that a rule for one loopback address does not let another in."""
    assert seen_from_inside("127.0.0.5") == "198.18.0.5"
    assert seen_from_inside("127.1.2.3") == "198.18.2.3"


def test_only_what_tcp_rules_open_is_listened_for() -> None:
    """A rule that opens everything is not sixty-five thousand sockets."""
    rules = (
        Rule("tcp", 443, 443, ""), Rule("tcp", 8000, 8002, ""), Rule("udp", 53, 53, ""), Rule("tcp", 1, 65535, ""),
        Rule("tcp", 22, 22, "", "drop"), Rule("all", -1, -1, ""),
    )  # fmt: skip
    assert ports(rules) == {443, 8000, 8001, 8002}
