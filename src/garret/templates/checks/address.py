"""The EIP is paid by traffic and limited: paid by bandwidth, it would cost its full price while the node is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from garret.templates.checks.finding import Finding, Subject

ID = "address"
RULE = "eip-bandwidth-limit"
BANDWIDTH_MBPS = 200


def check(subject: Subject) -> Iterator[Finding]:
    """Look at the EIP's billing and limit."""
    for name, properties in subject.resources("ALIYUN::VPC::EIP"):
        where = f"Resources.{name}"
        if properties.get("InternetChargeType") != "PayByTraffic":
            problem = "is not paid by traffic, so it costs while the node is stopped"
            yield Finding(ID, where, problem, "InternetChargeType: PayByTraffic")
        limit = _highest(subject, properties.get("Bandwidth"))
        if limit is None or limit > BANDWIDTH_MBPS:
            problem = "has no limit of bandwidth" if limit is None else f"allows {limit:g} Mbit/s"
            yield Finding(ID, where, problem, f"Bandwidth: at most {BANDWIDTH_MBPS}")


def _highest(subject: Subject, value: Any) -> float | None:
    if isinstance(value, dict) and isinstance(value.get("Ref"), str):
        value = subject.section("Parameters").get(value["Ref"], {}).get("MaxValue")
    return float(value) if isinstance(value, int | float) else None
