"""What is wanted: one deployment as a frozen, strict record; no I/O, no environment."""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from garret.errors import SpecError

DEFAULT_INSTANCE_TYPE = "ecs.gn7i-c16g1.4xlarge"
WHOLE_INTERNET = "0.0.0.0/0"
WIDEST_PREFIX = 8
"""Ranges wider than this count as open to the world."""

PASSWORD_SPECIALS = "()`~!@#$%^&*-_+=|{}[]:;'<>,.?/"  # noqa: S105 - the vendor's list of characters, not a password
_PASSWORD_CLASSES = (string.ascii_uppercase, string.ascii_lowercase, string.digits, PASSWORD_SPECIALS)

_PRIVATE_RANGES = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_LOGIN_PORTS = (22, 3389)

_HINTS = {
    "name": "a name is 1 to 40 lower-case letters, digits and dashes and starts with a letter: --name my-pictures",
    "region": "for example --region cn-hangzhou",
    "zone": "a zone belongs to its region, for example --region cn-hangzhou --zone cn-hangzhou-k; or leave it out",
    "instance_type": f"for example --instance-type {DEFAULT_INSTANCE_TYPE}",
    "vpc_cidr": "for example 192.168.0.0/16",
    "vswitch_cidr": "for example 192.168.1.0/24, inside vpc_cidr",
    "disk_category": "gn7i takes ESSD disks only: cloud_essd or cloud_auto",
    "disk_size_gib": "the GPU image needs at least 100 GiB",
    "bandwidth_mbps": "between 1 and 200; traffic is paid by volume, so a high limit costs nothing by itself",
    "service_port": "for example 443",
    "public": "say --public, or leave it out; in a file true or false",
    "login": "for example --login admin",
    "allow_cidr": "for example --allow-cidr 203.0.113.7/32; the whole internet: --allow-cidr 0.0.0.0/0 --public",
    "model": "deploy with the demo model, then `garret ops download-model` brings yours to the node",
    "image_id": "an image id of the region such as m-bp1…, or leave it out for the newest GPU image",
    "wait_timeout_s": "between 60 and 43200 seconds",
}


def _network(text: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        if "has host bits set" in str(error):
            meant = ipaddress.ip_interface(text).network
            raise ValueError(f"{text!r} has bits set behind its mask; {meant} is meant?") from None
        raise ValueError(f"{text!r} is not an IPv4 range such as 192.168.0.0/16") from None


def _private_range(text: str) -> str:
    network = _network(text)
    if not any(network.subnet_of(private) for private in _PRIVATE_RANGES):
        raise ValueError(f"{text} is not in a private range (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16)")
    return str(network)


def _vpc_range(text: str) -> str:
    if not 8 <= _network(text).prefixlen <= 28:
        raise ValueError(f"{text}: the mask of a VPC is between /8 and /28")
    return _private_range(text)


def _vswitch_range(text: str) -> str:
    if not 16 <= _network(text).prefixlen <= 29:
        raise ValueError(f"{text}: the mask of a VSwitch is between /16 and /29")
    return _private_range(text)


def _caller_range(text: str) -> str:
    """A single address is taken as its /32."""
    return str(_network(text))


def _service_port(port: int) -> int:
    if port in _LOGIN_PORTS:
        raise ValueError(f"{port} is a port for remote login, which stays closed")
    return port


def _refusal(field: str, reason: str) -> SpecError:
    return SpecError(field, reason, _HINTS[field])


CallerRange = Annotated[str, AfterValidator(_caller_range)]


class DeploymentSpec(BaseModel):
    """One deployment: where, how big, who may reach it. Sizes are GiB, bandwidth is Mbit/s, times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")] = "garret"
    region: Annotated[str, Field(pattern=r"^[a-z]{2}-[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
    zone: Annotated[str, Field(pattern=r"^[a-z0-9-]{3,48}$")] | None = None
    instance_type: Annotated[str, Field(pattern=r"^ecs\.gn7i-[a-z0-9]+\.[a-z0-9]+$")] = DEFAULT_INSTANCE_TYPE
    image_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")] | None = None
    disk_category: Literal["cloud_essd", "cloud_auto"] = "cloud_essd"
    disk_size_gib: Annotated[int, Field(ge=100, le=32768)] = 100
    vpc_cidr: Annotated[str, AfterValidator(_vpc_range)] = "192.168.0.0/16"
    vswitch_cidr: Annotated[str, AfterValidator(_vswitch_range)] = "192.168.1.0/24"
    bandwidth_mbps: Annotated[int, Field(ge=1, le=200)] = 100
    service_port: Annotated[int, Field(ge=1, le=65535), AfterValidator(_service_port)] = 443
    allow_cidr: Annotated[tuple[CallerRange, ...], Field(max_length=20)] = ()
    public: bool = False
    login: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,31}$")] = "admin"
    model: Literal["demo"] = "demo"
    wait_timeout_s: Annotated[int, Field(ge=60, le=43200)] = 3600

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        if self.zone is not None and not self.zone.startswith(self.region):
            raise _refusal("zone", f"{self.zone!r} is not a zone of region {self.region}")
        if not _network(self.vswitch_cidr).subnet_of(_network(self.vpc_cidr)):
            raise _refusal("vswitch_cidr", f"{self.vswitch_cidr} is not inside vpc_cidr {self.vpc_cidr}")
        # Collapsed first: 0.0.0.0/1 and 128.0.0.0/1 together are the whole internet, too.
        widest = min(
            ipaddress.collapse_addresses(map(_network, self.allow_cidr)),
            key=lambda network: network.prefixlen,
            default=None,
        )
        if widest is not None and widest.prefixlen < WIDEST_PREFIX and not self.public:
            what = "is the whole internet" if widest.prefixlen == 0 else "is a good part of the internet"
            raise _refusal("allow_cidr", f"{widest} {what}")
        return self

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
    values = dict(mapping)
    if isinstance(values.get("allow_cidr"), list):  # what YAML and JSON call a tuple
        values["allow_cidr"] = tuple(values["allow_cidr"])
    try:
        return DeploymentSpec.model_validate(values)
    except ValidationError as error:
        raise _spec_error(error) from None


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
        ("model", "literal_error"): f"{shown} is not known; a deployment starts with the demo model",
    }
    otherwise = f"{shown}: {message[:1].lower()}{message[1:]}"
    return known.get((field, kind)) or known.get(("*", kind)) or otherwise


def _hint(field: str, kind: str) -> str:
    if kind == "extra_forbidden":
        return "fields are: " + ", ".join(DeploymentSpec.model_fields)
    return _HINTS.get(field, "")


def check_password(password: str) -> str:
    """The password, if it keeps the vendor's rule: 8 to 30 characters, three of four classes, only its specials.

    Raises:
        SpecError: says which part of the rule is broken, and never shows the password.
    """
    hint = f"8 to 30 characters, three of: A-Z, a-z, 0-9, {PASSWORD_SPECIALS}; or leave it out and one is made"
    if not 8 <= len(password) <= 30:
        raise SpecError("password", f"has {len(password)} characters", hint)
    foreign = re.sub(f"[{re.escape(''.join(_PASSWORD_CLASSES))}]", "", password)
    if foreign:
        raise SpecError("password", "contains a character that the cloud does not take", hint)
    classes = sum(any(character in letters for character in password) for letters in _PASSWORD_CLASSES)
    if classes < 3:
        raise SpecError("password", f"uses {classes} of the four kinds of characters, and three are needed", hint)
    return password
