"""What a deploy will make, decided before anything acts: pure but for the questions asked of the catalogue."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from garret.errors import SettingsError, SpecError
from garret.image_bootstrap.bundle import Bundle
from garret.image_bootstrap.cuda import GPU_FAMILY
from garret.image_bootstrap.node_config import NodeConfig
from garret.image_bootstrap.user_data import build_user_data
from garret.ops.at_once import at_once
from garret.ops.capacity import Candidate
from garret.ops.cloud import Cloud
from garret.ops.deployment import Login
from garret.ops.gpu_image import look_at
from garret.ops.own_images import Contents, choose, contents_of
from garret.ops.prices import Prices, check_limit, find_prices
from garret.ops.records import ResourceChange
from garret.service_runtime.known_models import DEMO, SDXL
from garret.service_runtime.model_sources import default_sources
from garret.service_runtime.passwords import hash_token
from garret.spec import DeploymentSpec, parse_spec
from garret.templates.checks import require_good
from garret.templates.render import parameters, render_template

if TYPE_CHECKING:
    from garret.ops.roles import Catalog

IMAGE_FAMILY = GPU_FAMILY
LOCAL_PORT = 7860
LOOPBACK = "127.0.0.0/8"
CLOUD_NAMES = {"local": "the local cloud", "aliyun": "Alibaba Cloud"}


@dataclass(frozen=True)
class Place:
    """Where the machine goes, from which image, who pays (nobody: empty), and how full the shelf there was."""

    zone: str
    image_id: str
    account: str = ""
    stock: str = ""
    image_note: str = ""
    image_has_runtime: bool = False


@dataclass(frozen=True)
class Plan:
    """Everything that CreateStack will be told; `spec` is the `wish` as placed, perhaps in another region or type."""

    wish: DeploymentSpec
    spec: DeploymentSpec
    place: Place
    template: str
    parameters: Mapping[str, str]
    token: str
    bundle_sha256: str
    prices: Prices | None
    made: tuple[ResourceChange, ...] = ()
    bundle_url: str = ""

    def to_entry(self) -> dict[str, Any]:
        """The journal's form."""
        return {
            "spec": self.wish.model_dump(mode="json"),
            "placed": self.spec.model_dump(mode="json"),
            "region": self.spec.region,
            "zone": self.place.zone,
            "image_id": self.place.image_id,
            "image_has_runtime": self.place.image_has_runtime,
            "token": self.token,
            "template": self.template,
            # The node's own password is kept beside the login, for its owner's eyes only.
            "parameters": {key: value for key, value in self.parameters.items() if key != "InstancePassword"},
            "bundle_sha256": self.bundle_sha256,
            "bundle_url": self.bundle_url,
            "price": self.prices.running.to_dict() if self.prices else None,
            "prices": self.prices.to_dict() if self.prices else None,
        }

    def to_dict(self) -> dict[str, Any]:
        """The `--json` form of a plan that is only shown."""
        return {
            "name": self.spec.name,
            "spec": self.spec.model_dump(mode="json"),
            "region": self.spec.region,
            "zone": self.place.zone,
            "stock": self.place.stock,
            "image_id": self.place.image_id,
            "image_note": self.place.image_note,
            "account": self.place.account or None,
            "resources": [{"name": one.resource, "type": one.kind, "action": one.action} for one in self.made],
            "prices": self.prices.to_dict() if self.prices else None,
        }


def defaults_on(kind: str) -> dict[str, Any]:
    """What a cloud does its own way: the local one is reached from here only, and draws on this machine's CPU."""
    return {"service_port": LOCAL_PORT, "allow_cidr": (LOOPBACK,), "model": DEMO} if kind == "local" else {}


def wanted_spec(
    kind: str, name: str, region: str, said: Mapping[str, Any], before: DeploymentSpec | None
) -> DeploymentSpec:
    """The spec from what was said; what was not said stays as it is deployed, else takes the cloud's default.

    Raises:
        SpecError: a field is wrong, or who may reach the service was not said.
    """
    defaults = defaults_on(kind)
    if before is not None:
        defaults = before.model_dump()
    if said.get("public") and not said.get("allow_cidr"):
        defaults.pop("allow_cidr", None)
    spec = parse_spec(defaults | {"region": region} | dict(said) | {"name": name})
    if kind == "local" and spec.acme and not spec.acme_server:
        raise SpecError(
            "acme",
            "Let's Encrypt cannot reach a node on this machine",
            "--acme-server with an authority that can, or leave --acme out",
        )
    if not spec.ingress_cidrs:
        raise SpecError(
            "allow_cidr",
            "who may reach the service was not said",
            "your own address: --allow-cidr 203.0.113.7/32 ; everybody: --public",
        )
    return spec


def check_regions(spec: DeploymentSpec, catalog: Catalog) -> None:
    """Ask the catalogue whether there are such regions: asked of one that does not exist, nothing else answers.

    Raises:
        SettingsError: no such region; names those there are.
    """
    regions = catalog.regions()
    for field, flag, region in (
        ("region", "--region", spec.region),
        *(("fallback_regions", "--fallback-region", one) for one in spec.fallback_regions),
    ):
        if region not in regions:
            near = next(iter(get_close_matches(region, regions, 1)), "cn-hangzhou")
            raise SettingsError(
                f"{field}: there is no region {region!r}; regions are: {', '.join(regions)}", f"{flag} {near}"
            )


def place_of(spec: DeploymentSpec, candidate: Candidate, cloud: Cloud, wanted: Contents) -> Place:
    """A candidate with its image, and who pays.

    Raises:
        SpecError: the region has no such image, or one that no GPU node can be made of.
    """
    image = choose(spec, cloud, wanted, lambda: cloud.catalog.newest_image(IMAGE_FAMILY))
    if not image.image_id:
        raise SpecError(
            "image_id", f"{spec.region} has no image of family {IMAGE_FAMILY}", "name one of your own: --image-id m-…"
        )
    note = "; ".join(filter(None, [image.note, look_at(image.image_id, spec, cloud)]))
    account = "" if cloud.made_up else cloud.catalog.account()
    return Place(candidate.zone, image.image_id, account, candidate.stock, note, image.has_runtime)


def make_plan(
    wish: DeploymentSpec,
    candidate: Candidate,
    cloud: Cloud,
    login: Login,
    bundle: Bundle,
    *,
    instance_password: str = "",
    bake: str = "",
) -> Plan:
    """Put everything together that CreateStack will be told, with what it makes and costs.

    `bake` is the name of the image that the node is only for: its disk is not encrypted, for an image can be made of
    such a disk everywhere, and nothing secret ever comes onto it.

    Raises:
        SpecError: it costs more than the person's limit.
        CloudError: ROS refuses the template, in its own words; nothing was made.
    """
    spec = candidate.placed(wish)
    config = replace(node_config(spec, cloud.kind, login, bundle), bake=bake)
    if bake:
        config = replace(config, login="", password_hash="", token_hash="", autostop_s=0, domain="", acme=False)
    place = place_of(spec, candidate, cloud, contents_of(config, bundle))
    template = require_good(
        render_template(spec, build_user_data(config), scheme=cloud.scheme, encrypted=not bake),
        public=spec.public,
        acme=spec.acme,
        but=("disk-encrypted",) if bake else (),
    )
    values = parameters(spec, place.zone, place.image_id, instance_password=instance_password)
    cloud.stacks.validate(template)  # the vendor's own words come before the question, not after it
    made, hourly = at_once(
        # Under a name of its own: one that is made anew has its stack still.
        lambda: cloud.changes.preview(f"{spec.stack_name}-plan", template, values),
        lambda: cloud.stacks.price_per_hour(template, values),
    )
    prices = find_prices(cloud, spec, hourly)
    check_limit(cloud, spec, prices)
    token = uuid.uuid4().hex
    return Plan(wish, spec, place, template, values, token, bundle.sha256, prices, tuple(made), bundle.url)


def model_sources(spec: DeploymentSpec) -> tuple[str, ...]:
    """Where the node looks for the known models, in order; nothing for what comes with garret or says where it is."""
    return (spec.model_source or default_sources(spec.region)) if spec.model == SDXL else ()


def needs_model(kind: str, model: str) -> bool:
    """Whether the demo model travels with the runtime: the local cloud's image brings it."""
    return kind == "aliyun" and model == DEMO


def node_config(spec: DeploymentSpec, kind: str, login: Login, bundle: Bundle) -> NodeConfig:
    """What the node is told: hashes of the login, never the login itself."""
    return NodeConfig(
        deployment=spec.name,
        region=spec.region,
        cloud=kind,
        bundle_sha256=bundle.sha256,
        bundle_size=bundle.size,
        bundle_url=bundle.url,
        service_port=spec.service_port,
        login=spec.login,
        password_hash=login.password_hash,
        token_hash=hash_token(login.token),
        model=spec.model,
        model_sha256=(spec.model_sha256 or "").lower(),
        model_sources=",".join(model_sources(spec)),
        refiner=spec.refiner,
        allow_private_download=kind == "local",
        bundle_wait_s=max(60, spec.wait_timeout_s - 60),
        autostop_s=60 * spec.autostop_min,
        domain=spec.domain or "",
        acme=spec.acme,
        acme_email=spec.acme_email or "",
        acme_server=spec.acme_server or "",
        acme_ca=bool(spec.acme_ca),
    )
