"""One deployment as a frozen, strict record, and its errors in the words of a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from garret.errors import SpecError
from garret.spec.acme import ACME_SERVER, EMAIL, acme_disagreement, certificates
from garret.spec.fields import DEFAULT_AUTOSTOP_MIN, DEFAULT_INSTANCE_TYPE, FIELDS, SHORTEST_AUTOSTOP_MIN
from garret.spec.models import disagreement, model_text, source_text
from garret.spec.ranges import (
    WHOLE_INTERNET,
    WIDEST_PREFIX,
    caller_range,
    network,
    vpc_range,
    vswitch_range,
    widest,
)

_LOGIN_PORTS = (22, 3389)
_PERIODS = {"Month": (*range(1, 10), 12, 24, 36, 48, 60), "Year": tuple(range(1, 6))}
_TAG_KEY = re.compile(r"(?!garret:|aliyun|acs:|https?://)[^\x00-\x1f\x7f]{1,128}", re.IGNORECASE)
_TAG_VALUE = re.compile(r"(?!https?://)[^\x00-\x1f\x7f]{0,128}")
_MOST_TAGS = 15
_LISTS = ("allow_cidr", "fallback_types", "fallback_zones", "fallback_regions", "model_source")

REGION = r"^[a-z]{2}-[a-z0-9]+(-[a-z0-9]+)*$"
DOMAIN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"
INSTANCE_TYPE = r"^ecs\.gn7i-[a-z0-9]+\.[a-z0-9]+$"


def _service_port(port: int) -> int:
    if port in _LOGIN_PORTS:
        raise ValueError(f"{port} is a port for remote login, which stays closed")
    return port


def _autostop(minutes: int) -> int:
    if 0 < minutes < SHORTEST_AUTOSTOP_MIN:
        raise ValueError(f"{minutes} minutes are too few: whoever thinks for a moment would lose the node")
    return minutes


def _tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > _MOST_TAGS:
        raise ValueError(f"{len(tags)} tags, and {_MOST_TAGS} are the most")
    for key, value in tags.items():
        if not _TAG_KEY.fullmatch(key):
            raise ValueError(f"{key!r} cannot be a tag's key")
        if not _TAG_VALUE.fullmatch(value):
            raise ValueError(f"{value!r} cannot be a tag's value")
    return tags


def _refusal(field: str, reason: str) -> SpecError:
    return SpecError(field, reason, FIELDS[field].hint)


CallerRange = Annotated[str, AfterValidator(caller_range)]
Region = Annotated[str, Field(pattern=REGION, max_length=40)]
Zone = Annotated[str, Field(pattern=r"^[a-z0-9-]{3,48}$")]
InstanceType = Annotated[str, Field(pattern=INSTANCE_TYPE)]
ModelSource = Annotated[str, AfterValidator(source_text)]


class DeploymentSpec(BaseModel):
    """One deployment: where, how big, how paid, who may reach it.

    Sizes are GiB, bandwidth is Mbit/s, times are seconds but for `autostop_min`, prices are per hour in the cloud's
    currency; `autostop_min` 0 is never. What each field means, and what to type, is in `FIELDS`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")] = "garret"
    region: Region
    zone: Zone | None = None
    instance_type: InstanceType = DEFAULT_INSTANCE_TYPE
    charge_type: Literal["PayAsYouGo", "Subscription", "Spot"] = "PayAsYouGo"
    period: int | None = None
    period_unit: Literal["Month", "Year"] = "Month"
    spot_price_limit: Annotated[float, Field(gt=0, le=100_000)] | None = None
    image_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")] | None = None
    disk_category: Literal["cloud_essd", "cloud_auto"] = "cloud_essd"
    disk_size_gib: Annotated[int, Field(ge=100, le=32768)] = 100
    vpc_id: Annotated[str, Field(pattern=r"^vpc-[a-z0-9]{1,60}$")] | None = None
    vswitch_id: Annotated[str, Field(pattern=r"^vsw-[a-z0-9]{1,60}$")] | None = None
    vpc_cidr: Annotated[str, AfterValidator(vpc_range)] = "192.168.0.0/16"
    vswitch_cidr: Annotated[str, AfterValidator(vswitch_range)] = "192.168.1.0/24"
    bandwidth_mbps: Annotated[int, Field(ge=1, le=200)] = 100
    service_port: Annotated[int, Field(ge=1, le=65535), AfterValidator(_service_port)] = 443
    allow_cidr: Annotated[tuple[CallerRange, ...], Field(max_length=20)] = ()
    public: bool = False
    domain: Annotated[str, Field(pattern=DOMAIN, max_length=253)] | None = None
    acme: bool = False
    acme_agree: bool = False
    acme_email: Annotated[str, Field(pattern=EMAIL, max_length=254)] | None = None
    acme_server: Annotated[str, Field(pattern=ACME_SERVER, max_length=500)] | None = None
    acme_ca: Annotated[str, Field(max_length=8192), AfterValidator(certificates)] | None = None
    login: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,31}$")] = "admin"
    key_pair: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9:_.-]{1,127}$")] | None = None
    instance_password: bool = False
    resource_group: Annotated[str, Field(pattern=r"^rg-[a-z0-9]{1,60}$")] | None = None
    tags: Annotated[dict[str, str], AfterValidator(_tags)] = Field(default_factory=dict)
    fallback_types: Annotated[tuple[InstanceType, ...], Field(max_length=10)] = ()
    fallback_zones: Annotated[tuple[Zone, ...], Field(max_length=20)] = ()
    fallback_regions: Annotated[tuple[Region, ...], Field(max_length=10)] = ()
    max_price_per_hour: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    autostop_min: Annotated[int, Field(ge=0, le=10_080), AfterValidator(_autostop)] = DEFAULT_AUTOSTOP_MIN
    model: Annotated[str, AfterValidator(model_text)] = "sdxl"
    model_sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    model_source: Annotated[tuple[ModelSource, ...], Field(max_length=5)] = ()
    refiner: bool = True
    wait_timeout_s: Annotated[int, Field(ge=60, le=43200)] = 3600

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        self._check_place()
        self._check_network()
        self._check_charge()
        self._check_models()
        self._check_acme()
        if self.key_pair and self.instance_password:
            raise _refusal("key_pair", "a node has a key pair or a password, not both")
        open_to = widest(self.allow_cidr)
        if open_to is not None and open_to.prefixlen < WIDEST_PREFIX and not self.public:
            what = "is the whole internet" if open_to.prefixlen == 0 else "is a good part of the internet"
            raise _refusal("allow_cidr", f"{open_to} {what}")
        return self

    def _check_place(self) -> None:
        for field, zone in (("zone", self.zone), *(("fallback_zones", zone) for zone in self.fallback_zones)):
            if zone is not None and not zone.startswith(self.region):
                raise _refusal(field, f"{zone!r} is not a zone of region {self.region}")
        for name, again in (("fallback_types", self.instance_type), ("fallback_regions", self.region)):
            if again in getattr(self, name):
                raise _refusal(name, f"{again} is what is tried first")
        for name in ("image_id", "key_pair"):
            value = getattr(self, name)
            if self.fallback_regions and value and (name == "key_pair" or value.startswith("m-")):
                raise _refusal("fallback_regions", f"{name} {value} is in {self.region} only")

    def _check_network(self) -> None:
        if (self.vpc_id is None) != (self.vswitch_id is None):
            missing = "vpc_id" if self.vpc_id is None else "vswitch_id"
            raise _refusal(missing, "is missing: a network that exists is named by its VPC and its VSwitch")
        if self.vpc_id is None:
            if not network(self.vswitch_cidr).subnet_of(network(self.vpc_cidr)):
                raise _refusal("vswitch_cidr", f"{self.vswitch_cidr} is not inside vpc_cidr {self.vpc_cidr}")
            return
        for name in ("vpc_cidr", "vswitch_cidr"):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise _refusal(name, f"{self.vpc_id} exists and has its range; a range is for a new network")
        for name in ("fallback_zones", "fallback_regions"):
            if getattr(self, name):
                raise _refusal(name, f"{self.vswitch_id} lies in one zone, and the machine goes there")

    def _check_charge(self) -> None:
        if self.charge_type != "Subscription" and self.period is not None:
            raise _refusal("period", f"{self.charge_type} is paid by the hour; a period is for a Subscription")
        if self.period is not None and self.period not in _PERIODS[self.period_unit]:
            raise _refusal("period", f"{self.period} {self.period_unit} is not sold")
        if self.charge_type != "Spot" and self.spot_price_limit is not None:
            raise _refusal("spot_price_limit", f"{self.charge_type} has a fixed price; a limit is for Spot")
        if self.charge_type == "Subscription" and self.autostop_min:
            raise _refusal("autostop_min", "a Subscription is paid for whether it runs or not")

    def _check_models(self) -> None:
        wrong = disagreement(
            self.model,
            self.model_sha256,
            self.model_source,
            self.refiner,
            region=self.region,
            disk_size_gib=self.disk_size_gib,
            bandwidth_mbps=self.bandwidth_mbps,
            wait_timeout_s=self.wait_timeout_s,
        )
        if wrong is not None:
            raise _refusal(*wrong)

    def _check_acme(self) -> None:
        wrong = acme_disagreement(
            (self.acme, self.acme_agree),
            {"acme_email": self.acme_email, "acme_server": self.acme_server, "acme_ca": self.acme_ca},
            domain=self.domain or "",
            service_port=self.service_port,
        )
        if wrong is not None:
            raise _refusal(*wrong)

    @property
    def stack_name(self) -> str:
        """The name of the deployment's ROS stack."""
        return f"garret-{self.name}"

    @property
    def ingress_cidrs(self) -> tuple[str, ...]:
        """Who may reach the service port; the whole internet when only `public` was said."""
        return self.allow_cidr or ((WHOLE_INTERNET,) if self.public else ())


def parse_spec(mapping: Mapping[str, Any]) -> DeploymentSpec:
    """A mapping, from flags or a file, as a spec.

    Raises:
        SpecError: names the field, the reason, and what to type next.
    """
    try:
        return DeploymentSpec.model_validate(_as_said(mapping))
    except ValidationError as error:
        raise _spec_error(error) from None


def wrong_field(mapping: Mapping[str, Any]) -> SpecError | None:
    """The first field that is wrong by itself, as an error; fields that only do not agree are not looked at."""
    try:
        DeploymentSpec.model_validate(_as_said(mapping))
    except ValidationError as error:
        return _spec_error(error)
    except SpecError:
        return None
    return None


def _as_said(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the fields have them: what YAML and JSON call a list is a tuple here, and autostop is 0 for off.

    What is paid for in advance does not stop by itself unless somebody says so, which is refused.
    """
    values = {
        name: tuple(value) if name in _LISTS and isinstance(value, list) else value for name, value in mapping.items()
    }
    if values.get("autostop_min") is None and ("autostop_min" in values or values.get("charge_type") == "Subscription"):
        values["autostop_min"] = 0
    return values


def _spec_error(error: ValidationError) -> SpecError:
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    field = str(first["loc"][0]) if first["loc"] else ""
    return SpecError(path, _reason(field, first["type"], first["msg"], first.get("input")), _hint(field, first["type"]))


def _reason(field: str, kind: str, message: str, value: object) -> str:
    shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "…"
    known = {
        ("*", "extra_forbidden"): "is not a field of a deployment",
        ("*", "missing"): "is missing",
        ("*", "value_error"): message.removeprefix("Value error, "),
        ("*", "string_pattern_mismatch"): f"{shown} is not a valid {field}",
        ("instance_type", "string_pattern_mismatch"): f"{shown} is not a gn7i type; garret runs on ecs.gn7i-*",
        ("fallback_types", "string_pattern_mismatch"): f"{shown} is not a gn7i type; garret runs on ecs.gn7i-*",
        ("charge_type", "literal_error"): f"{shown} is none of PayAsYouGo, Subscription and Spot",
    }
    otherwise = f"{shown}: {message[:1].lower()}{message[1:]}"
    return known.get((field, kind)) or known.get(("*", kind)) or otherwise


def _hint(field: str, kind: str) -> str:
    if kind == "extra_forbidden":
        return "fields are: " + ", ".join(DeploymentSpec.model_fields)
    return FIELDS[field].hint if field in FIELDS else ""
