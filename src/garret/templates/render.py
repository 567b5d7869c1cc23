"""From a deployment to the text of its ROS template, and the values of its parameters; pure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2

from garret.service_runtime.model_sources import readable_objects
from garret.spec import PASSWORD_SPECIALS, DeploymentSpec
from garret.templates.catalog import SERVICE, Template
from garret.templates.spot import price_text, spot_strategy

SIGNAL_PLACEHOLDER = "@@GARRET_SIGNAL@@"
DEPLOYMENT_TAG = "garret:deployment"
PARTS = {"node": "Node", "subnet": "Subnet", "handle": "ReadyHandle", "ready": "Ready"}
"""What belongs to one node alone: with a node in another zone there are others of these."""
_FOLDER = Path(__file__).resolve().parent / "ros"
_DEFAULT_PORTS = {"https": 443, "http": 80}
_PLAIN_LINES = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\n)(?:[\x20-\x7e]*\n)*\Z")


def render_template(
    spec: DeploymentSpec,
    user_data: str,
    *,
    scheme: str = "https",
    template: Template = SERVICE,
    encrypted: bool = True,
    may_stop: bool | None = None,
    side: str = "",
) -> str:
    """Return the template's text; the same spec and user-data always give the same text.

    `scheme` is what the node's endpoint speaks: https on a cloud, http on a loopback address. A spec without
    `allow_cidr` and without `public` gives a template that asks for the range when its stack is created. `may_stop` is
    whether the node has the role for it, where that is not just what the spec says: one that has it keeps it. `side`
    ends the names of what is one node's alone: a node that moves has other ones (`garret.templates.moving`).
    """
    port = "" if _DEFAULT_PORTS.get(scheme) == spec.service_port else f":{spec.service_port}"
    readable = readable_objects(spec.model, spec.model_source)
    stops = bool(spec.autostop_min) if may_stop is None else may_stop
    may = (["stop and release itself"] if stops else []) + (["read its models"] if readable else [])
    values = {
        "spec": spec,
        "part": {key: _Quoted(name + side) for key, name in PARTS.items()},
        "user_data": user_data,
        "tag": DEPLOYMENT_TAG,
        "signal_placeholder": SIGNAL_PLACEHOLDER,
        "scheme": scheme,
        "port_suffix": port,
        "groups": _groups(spec),
        "readable": readable,
        "may_stop": stops,
        "role_text": f"garret's node may {' and '.join(may)}, and nothing else.",
        "role_policy": "node" if readable else "autostop",
        "encrypted": encrypted,
        "spot_strategy": spot_strategy(spec),
        "spot_price": price_text(spec.spot_price_limit),
        "password_pattern": f"^[A-Za-z0-9{re.escape(PASSWORD_SPECIALS)}]{{8,30}}$",
    }
    return _environment().get_template(template.file).render(values)


def parameters(
    spec: DeploymentSpec, zone: str, image_id: str, *, template: Template = SERVICE, instance_password: str = ""
) -> dict[str, str]:
    """Return what CreateStack passes, name to text; the node's password only where the spec asks for one."""
    values = {parameter.name: parameter.value(spec, zone, image_id) for parameter in template.parameters}
    return values | ({"InstancePassword": instance_password} if spec.instance_password else {})


def quote_yaml(value: Any) -> str:
    """Write a value as one YAML scalar that reads back as itself, whatever characters it holds."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise TypeError(f"a template takes texts and numbers, not {type(value).__name__}")
    return '"' + "".join(_escaped(character) for character in value) + '"'


def block_yaml(text: str, indent: int) -> str:
    """Write a text as a readable literal block where that is safe, else as a quoted scalar."""
    if not _PLAIN_LINES.match(text) or not text.strip() or text.endswith("\n\n"):
        return quote_yaml(text)
    return "|\n" + "\n".join(" " * indent + line if line else "" for line in text[:-1].split("\n"))


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _groups(spec: DeploymentSpec) -> list[dict[str, Any]]:
    """What the console shows together, and under which words."""
    access = ["Bandwidth"] if spec.ingress_cidrs else ["AllowCidr", "Bandwidth"]
    login = ["KeyPairName", "InstancePassword"] if spec.instance_password else ["KeyPairName"]
    billing = ["PayType", "PayPeriodUnit", "PayPeriod", "SpotStrategy", "SpotPriceLimit"]
    network = ["VpcOption", "VpcId", "VSwitchId", "VpcCidrBlock", "VSwitchCidrBlock"]
    return [
        {"en": "Machine", "zh": "机器配置", "names": ["ZoneId", "InstanceType", "ImageId"]},
        {"en": "Billing", "zh": "付费配置", "names": billing},
        {"en": "Disk", "zh": "磁盘配置", "names": ["SystemDiskCategory", "SystemDiskSize"]},
        {"en": "Network", "zh": "网络配置", "names": network},
        {"en": "Access", "zh": "访问配置", "names": access},
        {"en": "Node login", "zh": "节点登录配置", "names": login},
    ]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        undefined=jinja2.StrictUndefined,
        # Every expression goes through `yaml` or `block`: what forgets to is refused, not written raw.
        finalize=_refuse_raw,
        autoescape=False,  # noqa: S701 - this is YAML; quote_yaml is the escape
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["yaml"] = lambda value: _Quoted(quote_yaml(value))
    environment.filters["block"] = lambda value, indent: _Quoted(block_yaml(value, indent))
    return environment


class _Quoted(str):
    """Text that is safe to write into a template as it is."""


def _refuse_raw(value: object) -> object:
    if isinstance(value, (_Quoted, jinja2.runtime.Macro)) or value == "":
        return value
    raise TypeError(f"a template writes {value!r} without `| yaml`")
