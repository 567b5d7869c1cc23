"""What a deploy will make, decided before anything acts: pure but for the questions asked of the catalogue."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from garret.errors import OperationError, SettingsError, SpecError, UsageError
from garret.image_bootstrap.bundle import Bundle
from garret.image_bootstrap.node_config import NodeConfig
from garret.image_bootstrap.user_data import build_user_data
from garret.ops.cloud import Catalog, Cloud, Price
from garret.ops.deployment import Login
from garret.service_runtime.passwords import hash_token
from garret.spec import DeploymentSpec, parse_spec
from garret.templates.checks import require_good
from garret.templates.render import parameters, render_template

FAMILY = "ecs.gn7i"
IMAGE_FAMILY = "acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda"
LOCAL_PORT = 7860
LOOPBACK = "127.0.0.0/8"
CLOUD_NAMES = {"local": "the local cloud", "aliyun": "Alibaba Cloud"}
# What may be said again, and differently, without meaning another deployment.
_FREE_FIELDS = ("wait_timeout_s",)


@dataclass(frozen=True)
class Place:
    """Where the machine goes, from which image, and who pays; the account is empty where nobody does."""

    zone: str
    image_id: str
    account: str = ""


@dataclass(frozen=True)
class Plan:
    """Everything that CreateStack will be told."""

    spec: DeploymentSpec
    place: Place
    template: str
    parameters: Mapping[str, str]
    token: str
    bundle_sha256: str
    price: Price | None

    def to_entry(self) -> dict[str, Any]:
        """The journal's form."""
        return {
            "spec": self.spec.model_dump(mode="json"),
            "region": self.spec.region,
            "zone": self.place.zone,
            "image_id": self.place.image_id,
            "token": self.token,
            "template": self.template,
            "parameters": dict(self.parameters),
            "bundle_sha256": self.bundle_sha256,
            "price": self.price.to_dict() if self.price else None,
        }


def wanted_spec(
    kind: str, name: str, region: str, said: Mapping[str, Any], before: DeploymentSpec | None
) -> DeploymentSpec:
    """The spec from what was said; what was not said stays as it is deployed, else takes the cloud's default.

    Raises:
        SpecError: a field is wrong, or who may reach the service was not said.
    """
    defaults: dict[str, Any] = {"service_port": LOCAL_PORT, "allow_cidr": (LOOPBACK,)} if kind == "local" else {}
    if before is not None:
        defaults = before.model_dump()
    if said.get("public") and not said.get("allow_cidr"):
        defaults.pop("allow_cidr", None)
    spec = parse_spec(defaults | {"region": region} | dict(said) | {"name": name})
    if not spec.ingress_cidrs:
        raise SpecError(
            "allow_cidr",
            "who may reach the service was not said",
            "your own address: --allow-cidr 203.0.113.7/32 ; everybody: --public",
        )
    return spec


def differences(deployed: DeploymentSpec, wanted: DeploymentSpec) -> list[str]:
    """Fields that differ, as lines."""
    return [
        f"{field}: {_shown(getattr(deployed, field))} is deployed, {_shown(getattr(wanted, field))} was asked for"
        for field in DeploymentSpec.model_fields
        if field not in _FREE_FIELDS and getattr(deployed, field) != getattr(wanted, field)
    ]


def refuse_differences(deployed: DeploymentSpec, wanted: DeploymentSpec) -> None:
    """Refuse to turn one deployment into another.

    Raises:
        UsageError: says what differs and what to type.
    """
    found = differences(deployed, wanted)
    if found:
        raise UsageError(
            f"{deployed.name} is deployed otherwise; " + "; ".join(found),
            f"a second one beside it: garret deploy --name {deployed.name}-2 … ; "
            f"or `garret delete {deployed.name}` first; or type `garret deploy` without these flags",
        )


def check_region(region: str, catalog: Catalog) -> None:
    """Ask the catalogue whether there is such a region: asked of one that does not exist, nothing else answers.

    Raises:
        SettingsError: no such region; names those there are.
    """
    regions = catalog.regions()
    if region not in regions:
        near = next(iter(get_close_matches(region, regions, 1)), "cn-hangzhou")
        raise SettingsError(
            f"region: there is no region {region!r}; regions are: {', '.join(regions)}", f"--region {near}"
        )


def find_place(spec: DeploymentSpec, catalog: Catalog) -> Place:
    """Ask the catalogue whether the region sells the type, and where, and for the image.

    Raises:
        SpecError: the region does not sell the type, or the zone does not; names what it sells.
        OperationError: it is sold out.
    """
    zones = _zones(spec, catalog.stock(FAMILY))
    image = spec.image_id or catalog.newest_image(IMAGE_FAMILY)
    if not image:
        raise SpecError(
            "image_id", f"{spec.region} has no image of family {IMAGE_FAMILY}", "name one of your own: --image-id m-…"
        )
    return Place(zones[0], image)


def _zones(spec: DeploymentSpec, stock: Mapping[str, list[str]]) -> list[str]:
    """Zones that can take the machine, the best first."""
    if spec.instance_type not in stock:
        sold = ", ".join(sorted(stock)) or "none"
        near = next(iter(get_close_matches(spec.instance_type, stock, 1)), "") or min(stock, default="")
        hint = f"--instance-type {near}" if near else "another region, for example --region cn-hangzhou"
        raise SpecError(
            "instance_type", f"{spec.region} does not sell {spec.instance_type!r}; gn7i types there: {sold}", hint
        )
    zones = stock[spec.instance_type]
    if not zones:
        others = sorted(kind for kind, where in stock.items() if where)
        raise OperationError(
            f"{spec.region} has no {spec.instance_type} in stock now; nothing was made",
            f"--instance-type {others[0]}, or another region" if others else "another region, or later",
        )
    if spec.zone is None:
        return zones
    if spec.zone not in zones:
        raise SpecError(
            "zone", f"{spec.zone!r} has no {spec.instance_type} now; zones that have: {', '.join(zones)}",
            f"--zone {zones[0]}, or leave it out",
        )  # fmt: skip
    return [spec.zone]


def make_plan(spec: DeploymentSpec, cloud: Cloud, login: Login, bundle: Bundle) -> Plan:
    """Put everything together that CreateStack will be told, with its price."""
    place = find_place(spec, cloud.catalog)
    if not cloud.made_up:
        place = replace(place, account=cloud.catalog.account())
    config = NodeConfig(
        deployment=spec.name,
        region=spec.region,
        cloud=cloud.kind,
        bundle_sha256=bundle.sha256,
        bundle_size=bundle.size,
        service_port=spec.service_port,
        login=spec.login,
        password_hash=login.password_hash,
        token_hash=hash_token(login.token),
        model=spec.model,
        allow_private_download=cloud.kind == "local",
        bundle_wait_s=max(60, spec.wait_timeout_s - 60),
        autostop_s=60 * (spec.autostop_min or 0),
        domain=spec.domain or "",
    )
    scheme = "http" if cloud.kind == "local" else "https"
    template = require_good(render_template(spec, build_user_data(config), scheme=scheme), public=spec.public)
    values = parameters(spec, place.zone, place.image_id)
    cloud.stacks.validate(template)  # the vendor's own words come before the question, not after it
    price = cloud.price(cloud.stacks.price_per_hour(template, values))
    return Plan(spec, place, template, values, uuid.uuid4().hex, bundle.sha256, price)


def plan_lines(kind: str, spec: DeploymentSpec, place: Place, price: str, password: str) -> list[str]:
    """What a person sees before they say yes."""
    reach = ", ".join(spec.ingress_cidrs)
    return [
        f"Plan: deployment {spec.name} on {CLOUD_NAMES[kind]}, region {spec.region}, zone {place.zone}",
        f"  network   VPC {spec.vpc_cidr}, VSwitch {spec.vswitch_cidr}, port {spec.service_port} open for {reach}",
        f"  machine   1 x {spec.instance_type}, image {place.image_id}",
        f"  disk      {spec.disk_size_gib} GiB {spec.disk_category}, encrypted, deleted with the machine",
        f"  address   1 EIP, up to {spec.bandwidth_mbps} Mbit/s, traffic is paid by volume",
        f"  login     {spec.login}, {password}",
        f"  price     {price}" + (f", paid by account {place.account}" if place.account else ""),
    ]


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
