"""The coverage page, made from the registries: `python -m garret.local_cloud.coverage` writes it (and the faults')."""

from __future__ import annotations

import sys
from pathlib import Path

from garret.local_cloud import faults_page, rights
from garret.local_cloud.core import PRODUCTS, Action, Parameter, Product, access
from garret.local_cloud.fault_names import NAMED
from garret.local_cloud.quotas.registry import LIMITS
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
## Rights

Keys are the account's own, which may do everything, or made with a RAM policy: an action is `ecs:RunInstances`, its
product one of {prefixes}. {free} needs no right.

## Quotas

{quotas}; each per region, kept to when something is made, and changed at `/_garret/quotas`.

## Faults on demand

{faults}, and raw ones; told by `/_garret/faults` or `garret local faults`. See
[local-cloud-faults.md](local-cloud-faults.md), also for keys, the clock, the bill and the log of calls.
"""


def page() -> str:
    """The whole page as text."""
    tail = _TAIL.format(
        prefixes=", ".join(f"{prefix} ({product})" for product, prefix in rights.PREFIXES.items()),
        free=", ".join(rights.FREE),
        quotas=", ".join(f"{limit.name} ({limit.code}, {limit.default})" for limit in LIMITS.values()),
        faults=", ".join(NAMED),
    )
    parts = [_HEAD, *(_product(product) for product in PRODUCTS.values()), tail]
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
    """Write both pages into the repository that this package lies in; exit 1 when it lies in none."""
    if not PAGE.parents[1].joinpath("pyproject.toml").exists():
        sys.stderr.write("the coverage page belongs to a checkout of garret; this is an installed copy\n")
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    for path, text in ((PAGE, page()), (faults_page.PAGE, faults_page.page())):
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
