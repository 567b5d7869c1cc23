"""The templates we ship, and where the value of each parameter comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from garret.spec import DeploymentSpec
from garret.templates.spot import price_text, spot_strategy


@dataclass(frozen=True)
class Parameter:
    """A parameter of a template; `value` takes it from (spec, zone id, image id), as text."""

    name: str
    value: Callable[[DeploymentSpec, str, str], str]


@dataclass(frozen=True)
class Template:
    """A whole stack: its file below ros/, one sentence, and its parameters in the order the console asks them."""

    name: str
    file: str
    summary: str
    parameters: tuple[Parameter, ...]


def _of(field: str) -> Callable[[DeploymentSpec, str, str], str]:
    """The value of a parameter that is a field of the spec; empty for nothing."""

    def value(spec: DeploymentSpec, _zone: str, _image: str) -> str:
        found = getattr(spec, field)
        return "" if found is None else str(found)

    return value


SERVICE = Template(
    name="service",
    file="service.yaml.j2",
    summary="One gn7i node with garret's service behind an address of its own.",
    parameters=(
        Parameter("ZoneId", lambda _spec, zone, _image: zone),
        Parameter("InstanceType", _of("instance_type")),
        Parameter("PayType", lambda spec, *_: "PrePaid" if spec.charge_type == "Subscription" else "PostPaid"),
        Parameter("PayPeriodUnit", _of("period_unit")),
        Parameter("PayPeriod", lambda spec, *_: str(spec.period or 1)),
        Parameter("SpotStrategy", lambda spec, *_: spot_strategy(spec)),
        Parameter("SpotPriceLimit", lambda spec, *_: price_text(spec.spot_price_limit)),
        Parameter("ImageId", lambda _spec, _zone, image: image),
        Parameter("SystemDiskCategory", _of("disk_category")),
        Parameter("SystemDiskSize", _of("disk_size_gib")),
        Parameter("VpcOption", lambda spec, *_: "existing" if spec.vpc_id else "new"),
        Parameter("VpcId", _of("vpc_id")),
        Parameter("VSwitchId", _of("vswitch_id")),
        Parameter("VpcCidrBlock", _of("vpc_cidr")),
        Parameter("VSwitchCidrBlock", _of("vswitch_cidr")),
        Parameter("Bandwidth", _of("bandwidth_mbps")),
        Parameter("KeyPairName", _of("key_pair")),
    ),
)

TEMPLATES = {template.name: template for template in (SERVICE,)}
