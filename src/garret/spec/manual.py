"""garret.yaml's manual: every field with its sentence, option, default and what a change of it does; pure.

`python -m tests.docs.deploy_file` writes it to examples/deploy.full.yaml.
"""

from __future__ import annotations

import textwrap
from typing import Any

from garret.spec.deployment import DeploymentSpec
from garret.spec.fields import FIELDS, SpecField

WIDTH = 100
_HEAD = """\
# A deployment with every field there is: the manual of garret.yaml.
#
#     garret deploy --file garret.yaml --dry-run     the plan and its price, and nothing more
#     garret deploy --file garret.yaml               the same, and then it is made
#
# A file named garret.yaml in the folder you are in is read without being named. Options on the command line win over
# the file; a field that is left out or empty takes its default; an unknown field is refused with its line. Only the
# region has to be said, here or with --region. Passwords do not belong in here: --password-stdin, GARRET_PASSWORD and
# GARRET_INSTANCE_PASSWORD carry them.
#
# A change that needs a new node is refused for one that is deployed: make a second deployment beside it, or delete it
# and deploy again (`garret delete --keep-disk` keeps what is on its disk).
"""
_SECTIONS = {
    "name": "Which deployment, and where",
    "instance_type": "The machine, and how it is paid",
    "image_id": "What is on it",
    "vpc_id": "Its network: a new one, or one that exists",
    "bandwidth_mbps": "Who reaches it, and how",
    "login": "Who may log in",
    "resource_group": "Its place in the account",
    "fallback_types": "When it is sold out",
    "max_price_per_hour": "What it may cost",
    "model": "How it starts",
}
_EFFECTS = {
    "live": "a change is made in place and nobody notices",
    "restart": "a change stops the node and starts it again",
    "replace": "a change needs a new node",
    "free": "a change costs nothing and touches nothing on the cloud",
}
_EXAMPLES: dict[str, Any] = {
    "zone": "cn-hangzhou-k", "period": 1, "spot_price_limit": 4.5, "image_id": "m-bp1…", "vpc_id": "vpc-bp1…",
    "vswitch_id": "vsw-bp1…", "allow_cidr": "[203.0.113.7/32]", "domain": "pictures.example.com",
    "acme_email": "studio@example.com", "acme_server": "https://ca.example.com/acme/acme/directory",
    "key_pair": "studio",
    "resource_group": "rg-acfm…", "tags": "{team: studio}", "fallback_types": "[ecs.gn7i-c16g1.4xlarge]",
    "fallback_zones": "[cn-hangzhou-j]", "fallback_regions": "[cn-shanghai]", "max_price_per_hour": 12.5,
    "model_source": "[modelscope, huggingface]",
}  # fmt: skip


def manual() -> str:
    """The whole file."""
    parts = [_HEAD]
    for name in DeploymentSpec.model_fields:
        if name in _SECTIONS:
            parts.append(f"\n# ---- {_SECTIONS[name]}\n")
        parts.append(_entry(FIELDS[name]))
    return "\n".join(parts)


def _entry(field: SpecField) -> str:
    default = _default(field.name)
    example = _EXAMPLES.get(field.name)
    lines = textwrap.wrap(field.sentence, WIDTH, break_on_hyphens=False)
    lines.append(f"Option {field.flag}; default: {default or 'none'}; {_EFFECTS[field.effect]}.")
    lines += [f"For example {field.name}: {example}"] if example is not None and not default else []
    value = "cn-hangzhou" if field.name == "region" else default
    return "\n".join([*(f"# {line}" for line in lines), f"{field.name}: {value}".rstrip(), ""])


def _default(name: str) -> str:
    """A field's default as YAML; empty for none."""
    if name == "region":
        return ""
    value = DeploymentSpec.model_fields[name].get_default(call_default_factory=True)
    if value in (None, (), {}):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
