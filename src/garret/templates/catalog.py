"""The templates we ship, and where the value of each parameter comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from garret.spec import DeploymentSpec


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


SERVICE = Template(
    name="service",
    file="service.yaml.j2",
    summary="One gn7i node with garret's service behind an address of its own.",
    parameters=(
        Parameter("ZoneId", lambda _spec, zone, _image: zone),
        Parameter("InstanceType", lambda spec, _zone, _image: spec.instance_type),
        Parameter("ImageId", lambda _spec, _zone, image: image),
        Parameter("SystemDiskCategory", lambda spec, _zone, _image: spec.disk_category),
        Parameter("SystemDiskSize", lambda spec, _zone, _image: str(spec.disk_size_gib)),
        Parameter("VpcCidrBlock", lambda spec, _zone, _image: spec.vpc_cidr),
        Parameter("VSwitchCidrBlock", lambda spec, _zone, _image: spec.vswitch_cidr),
        Parameter("Bandwidth", lambda spec, _zone, _image: str(spec.bandwidth_mbps)),
    ),
)

TEMPLATES = {template.name: template for template in (SERVICE,)}
