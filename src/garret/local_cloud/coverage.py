"""The coverage page, made from the registries: `python -m garret.local_cloud.coverage` writes it anew."""

from __future__ import annotations

import sys
from pathlib import Path

from garret.local_cloud.core import PRODUCTS, Action, Parameter, Product, access
from garret.local_cloud.ros.coverage import templates

PAGE = Path(__file__).resolve().parents[3] / "docs" / "local-cloud-coverage.md"

_HEAD = """\
# What the local cloud does

This page is made by `python -m garret.local_cloud.coverage` from the code's own registries; edit those.

The local cloud is a server on 127.0.0.1 that answers the vendor's SDKs. It verifies both signatures
(ACS3-HMAC-SHA256, and version 1.0 HMAC-SHA1), refuses stale times and used nonces, checks parameters, and keeps what it
made across `kill -9`. Prices and stock are made up. It proves that our calls are well-formed and that our code survives
the answers; it does not prove that a real cloud answers with the same words.

A star marks what must be there. Anything that is not below is answered with HTTP 404 `InvalidAction.NotFound`.
Parameters that are not listed may still be read (filters, names, pages); those that no handler knows are ignored, as
the vendor does.

`ClientToken` makes every create idempotent: the same call again gets the first answer, another call with the same token
is refused.
"""

_TAIL = """\
## Faults on demand

`POST /_garret/faults` with the header `x-garret-secret: <access_key_secret>`:
`{"faults": [{"action": "RunInstances", "effect": "error", "code": "OperationDenied.NoStock", "status": 403, "times": 1,
"match": {"ZoneId": "cn-hangzhou-i"}}], "stock": {"cn-hangzhou-i/ecs.gn7i-c16g1.4xlarge": "WithoutStock"}}`.
Effects: `error`; `lost` (carried out, the answer never comes); `unsent` (not carried out, no answer); `slow` (waits
`seconds`). `times` 0 is for ever; `DELETE /_garret/faults` clears the board. `GET /_garret/bill` says what would be
billed per hour, `GET /_garret/calls?since=N` lists the calls with their access (read or write).
"""


def page() -> str:
    """The whole page as text."""
    parts = [_HEAD, *(_product(product) for product in PRODUCTS.values()), _TAIL]
    return "\n".join(parts)


def _product(product: Product) -> str:
    lines = [
        f"## {product.name} {product.version}",
        "",
        "| action | access | checked parameters | notes |",
        "|-|-|-|-|",
    ]
    lines += [_action(name, action) for name, action in sorted(product.actions().items())]
    return "\n".join(lines) + "\n" + (f"\n{templates()}" if product.name == "ROS" else "")


def _action(name: str, action: Action) -> str:
    checked = ", ".join(_parameter(parameter) for parameter in action.parameters)
    return f"| {name} | {access(name)} | {checked} | {action.note} |"


def _parameter(parameter: Parameter) -> str:
    text = f"`{parameter.name}`" + ("*" if parameter.required else "")
    if parameter.choices:
        text += f" ({', '.join(parameter.choices)})"
    elif parameter.kind != "string":
        text += f" ({parameter.kind})"
    return text


def main() -> int:
    """Write the page into the repository that this package lies in; exit 1 when it lies in none."""
    if not PAGE.parents[1].joinpath("pyproject.toml").exists():
        sys.stderr.write("the coverage page belongs to a checkout of garret; this is an installed copy\n")
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
