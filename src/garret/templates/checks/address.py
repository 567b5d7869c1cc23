"""The EIP is paid by traffic and limited: paid by bandwidth, it would cost its full price while the node is stopped."""

from __future__ import annotations

from collections.abc import Iterator

from garret.templates.checks.finding import Finding, Subject, highest

ID = "address"
RULE = "eip-bandwidth-limit"
BANDWIDTH_MBPS = 200
DEFAULT_MBPS = 5
"""What the cloud takes where nothing is said; ours say it."""


def check(subject: Subject) -> Iterator[Finding]:
    """Look at the EIP's billing and limit."""
    for name, properties in subject.resources("ALIYUN::VPC::EIP"):
        where = f"Resources.{name}"
        if subject.own and properties.get("InternetChargeType") != "PayByTraffic":
            problem = "is not paid by traffic, so it costs while the node is stopped"
            yield Finding(ID, where, problem, "InternetChargeType: PayByTraffic")
        said = properties.get("Bandwidth", None if subject.own else DEFAULT_MBPS)
        limit = highest(subject, said)
        if limit is None or limit > BANDWIDTH_MBPS:
            problem = "has no limit of bandwidth" if limit is None else f"allows {limit:g} Mbit/s"
            yield Finding(ID, where, problem, f"Bandwidth: at most {BANDWIDTH_MBPS}")
