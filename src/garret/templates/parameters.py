"""What a template asks whoever creates its stack: its parameters, read from the rendered text; pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from garret.spec import parse_spec
from garret.templates.catalog import SERVICE, Template
from garret.templates.render import SIGNAL_PLACEHOLDER, render_template
from garret.templates.text import read_template


@dataclass(frozen=True)
class Asked:
    """One parameter as the console shows it; `default` is empty where one has to be given."""

    name: str
    label: dict[str, str]
    description: dict[str, str]
    type: str
    default: str
    limits: str
    hidden: bool

    def to_dict(self) -> dict[str, Any]:
        """The `--json` form."""
        return asdict(self)


def describe(template: Template = SERVICE) -> list[Asked]:
    """The parameters of a template in the order in which the console asks them, for a deployment with the defaults."""
    text = render_template(parse_spec({"region": "cn-hangzhou"}), f"{SIGNAL_PLACEHOLDER}\n", template=template)
    found: dict[str, dict[str, Any]] = read_template(text)["Parameters"]
    return [
        Asked(
            name=name,
            label=_words(body.get("Label", name)),
            description=_words(body.get("Description", "")),
            type=str(body["Type"]),
            default=str(body.get("Default", "")),
            limits=_limits(body),
            hidden=bool(body.get("NoEcho")),
        )
        for name, body in found.items()
    ]


def _words(value: Any) -> dict[str, str]:
    return {key: str(text) for key, text in value.items()} if isinstance(value, dict) else {"en": str(value)}


def _limits(body: dict[str, Any]) -> str:
    parts = []
    if "AllowedValues" in body:
        parts.append(" | ".join(map(str, body["AllowedValues"])))
    for low, high in (("MinValue", "MaxValue"), ("MinLength", "MaxLength")):
        if low in body or high in body:
            unit = " characters" if "Length" in low else ""
            parts.append(f"{body.get(low, '')}..{body.get(high, '')}{unit}")
    if "AllowedPattern" in body:
        parts.append(str(body["AllowedPattern"]))
    return "; ".join(parts)
