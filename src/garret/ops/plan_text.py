"""A plan in words: what will be made, where, what it costs, and what may be tried instead."""

from __future__ import annotations

from collections.abc import Sequence

from garret.ops.plan import CLOUD_NAMES, Plan
from garret.ops.prices import price_lines
from garret.spec import DeploymentSpec

_WAYS = {
    "PayAsYouGo": "paid by the hour",
    "Subscription": "paid in advance",
    "Spot": "spot, paid by the hour",
}


def plan_lines(kind: str, plan: Plan, password: str) -> list[str]:
    """What a person sees before they say yes."""
    spec, place = plan.spec, plan.place
    prices = price_lines(spec, plan.prices)
    stock = f" ({place.stock})" if place.stock else ""
    lines = [
        f"Plan: deployment {spec.name} on {CLOUD_NAMES[kind]}, region {spec.region}, zone {place.zone}{stock}",
        f"  machine   1 x {spec.instance_type}, {_WAYS[spec.charge_type]}, image {place.image_id}",
        *_otherwise(plan),
        f"  network   {_network(spec)}; port {spec.service_port} open for {', '.join(spec.ingress_cidrs)}",
        f"  disk      {spec.disk_size_gib} GiB {spec.disk_category}, encrypted, deleted with the machine",
        f"  address   1 EIP, up to {spec.bandwidth_mbps} Mbit/s; traffic is paid by volume, beside the price",
        f"  login     {spec.login}, {password}; on the node itself: {_node_login(spec)}",
        *(f"  {what:<9} {text}" for what, text in _more(spec)),
        f"  makes     {_made(plan)}",
        f"  price     {prices[0]}" + (f"; account {place.account}" if place.account else ""),
        *(f"            {line}" for line in prices[1:]),
    ]
    instead = _instead(plan.wish)
    return [*lines, f"  fallback  {instead}"] if instead else lines


def _otherwise(plan: Plan) -> list[str]:
    """What was asked for first and cannot be had now; nothing when it can."""
    first, here = plan.wish, plan.spec
    asked = [
        before
        for before, now in ((first.instance_type, here.instance_type), (first.region, here.region))
        if before != now
    ]
    return [f"            instead of {' and '.join(asked)}, where there is none now"] if asked else []


def _network(spec: DeploymentSpec) -> str:
    if spec.vpc_id:
        return f"{spec.vpc_id} and {spec.vswitch_id}, which exist"
    return f"a new VPC {spec.vpc_cidr} with VSwitch {spec.vswitch_cidr}"


def _node_login(spec: DeploymentSpec) -> str:
    if spec.key_pair:
        return f"key pair {spec.key_pair}"
    return "the password given" if spec.instance_password else "none"


def _more(spec: DeploymentSpec) -> Sequence[tuple[str, str]]:
    found = []
    if spec.domain:
        found.append(("domain", f"{spec.domain}, once its A record points to the address"))
    if spec.resource_group:
        found.append(("group", spec.resource_group))
    if spec.tags:
        found.append(("tags", ", ".join(f"{key}={value}" for key, value in spec.tags.items())))
    if spec.autostop_min:
        found.append(("autostop", f"after {spec.autostop_min} minutes without use"))
    return found


def _made(plan: Plan) -> str:
    counts: dict[str, int] = {}
    for one in plan.made:
        kind = one.kind.removeprefix("ALIYUN::")
        counts[kind] = counts.get(kind, 0) + 1
    names = [kind if count == 1 else f"{count} x {kind}" for kind, count in sorted(counts.items())]
    return f"{len(plan.made)} resources: " + ", ".join(names)


def _instead(spec: DeploymentSpec) -> str:
    zones = ["the region's other zones"] if spec.zone is None and not spec.vswitch_id else list(spec.fallback_zones)
    tried = [*zones, *spec.fallback_types, *spec.fallback_regions]
    return ", then ".join(one for one in tried if one)
