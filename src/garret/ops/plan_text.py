"""A plan in words: what will be made, where, what it costs, and what may be tried instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from garret.ops.plan import CLOUD_NAMES, Plan, model_sources
from garret.ops.prices import price_lines
from garret.service_runtime.known_models import DEMO, gigabytes, known_files
from garret.service_runtime.model_sources import parse_model, parse_source
from garret.spec import DeploymentSpec
from garret.spec.models import download_bytes, download_s

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
        *([f"            image: {place.image_note}"] if place.image_note else []),
        *_otherwise(plan),
        f"  network   {_network(spec)}; port {spec.service_port} open for {', '.join(spec.ingress_cidrs)}",
        f"  disk      {spec.disk_size_gib} GiB {spec.disk_category}, encrypted, deleted with the machine",
        f"  address   1 EIP, up to {spec.bandwidth_mbps} Mbit/s; traffic is paid by volume, beside the price",
        *(f"  {'models' if first else '':<9} {line}" for first, line in _numbered(model_lines(spec, kind))),
        f"  login     {spec.login}, {password}; on the node itself: {_node_login(spec)}",
        *(f"  {what:<9} {text}" for what, text in _more(spec)),
        f"  makes     {_made(plan)}",
        f"  price     {prices[0]}" + (f"; account {place.account}" if place.account else ""),
        *(f"            {line}" for line in prices[1:]),
    ]
    instead = _instead(plan.wish)
    return [*lines, f"  fallback  {instead}"] if instead else lines


def model_lines(spec: DeploymentSpec, kind: str) -> list[str]:
    """What the node fetches before it makes its first picture: how much, from where, under which licence."""
    if spec.model == DEMO:
        return ["demo, tiny and built in: coloured shapes; more with `garret ops download-model`"]
    slow = ["on this machine's CPU a picture takes minutes, and 14 GB of memory"] if kind == "local" else []
    own = parse_model(spec.model)
    if own is not None:
        digest = (
            f"SHA-256 {spec.model_sha256[:12]}…" if spec.model_sha256 else "no SHA-256 said: only its form is checked"
        )
        return [f"{own.file.name} from {own.source.said}; {digest}", *slow]
    files = known_files(spec.model, spec.refiner)
    size = download_bytes(spec.model, spec.refiner)
    least = download_s(size, spec.bandwidth_mbps) / 60
    parts = ", ".join(f"{file.role} {gigabytes(file.size)}" for file in files)
    sources = ", else ".join(parse_source(source).said for source in model_sources(spec))
    licences = ", ".join(dict.fromkeys(file.licence for file in files))
    return [
        f"SDXL 1.0: {parts}; {gigabytes(size)} from {sources}, {least:.0f} minutes or more",
        f"licences {licences}; pictures are made with the base, the others lie ready",
        *slow,
    ]


def _numbered(lines: list[str]) -> Iterator[tuple[bool, str]]:
    return ((number == 0, line) for number, line in enumerate(lines))


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
    if spec.acme:
        found.append(("trusted", f"certificate for {spec.domain or 'the address'} from {authority(spec)}"))
        found.append(("", "port 80 open for everyone: the authority's challenge, and a redirect to https"))
    if spec.resource_group:
        found.append(("group", spec.resource_group))
    if spec.tags:
        found.append(("tags", ", ".join(f"{key}={value}" for key, value in spec.tags.items())))
    found.append(("autostop", autostop_text(spec)))
    return found


def autostop_text(spec: DeploymentSpec) -> str:
    """When it stops by itself, which somebody who did not ask for it has to read."""
    if spec.autostop_min:
        return f"stops itself after {spec.autostop_min} minutes without use; for another time --autostop, --no-autostop"
    if spec.charge_type == "Subscription":
        return "none: it is paid in advance, whether it runs or not"
    return "none: it runs, and is paid for, until somebody stops it"


def authority(spec: DeploymentSpec) -> str:
    """Who vouches for the deployment, as a person calls it."""
    return urlsplit(spec.acme_server).netloc if spec.acme_server else "Let's Encrypt, its terms agreed to"


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
