"""`garret template render`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from garret.commands.door import Caller, cloud_options, name_option

EPILOG = """\b
Examples:
  garret template render --cloud aliyun --allow-cidr 203.0.113.7/32 > garret.yaml
  garret template render -o garret.yaml

What is printed is what deploy sends, but for the password and token, whose hashes stand for nobody here.
"""
NOBODY = "nobody"


@click.command(epilog=EPILOG)
@name_option
@click.option("--zone", help="Zone.")
@click.option("--instance-type", help="A gn7i type.")
@click.option("--port", "--service-port", "service_port", type=int, help="Port of the service.")
@click.option("--allow-cidr", multiple=True, help="Who may reach the service; else the template asks.")
@click.option("--public", is_flag=True, default=None, help="The whole internet may reach the service.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@cloud_options
def render(caller: Caller, name: str | None, output: Path | None, **said: Any) -> int:
    """Print the ROS template behind a deployment."""
    from garret.image_bootstrap.bundle import build_bundle
    from garret.image_bootstrap.node_config import NodeConfig
    from garret.image_bootstrap.user_data import build_user_data
    from garret.ops.journal import write_atomic
    from garret.ops.plan import LOCAL_PORT, LOOPBACK
    from garret.spec import parse_spec
    from garret.templates.checks import require_good
    from garret.templates.render import render_template

    settings = caller.settings()
    local = settings.cloud == "local"
    wanted: dict[str, Any] = {"name": name or "garret", "region": settings.region}
    wanted |= {"service_port": LOCAL_PORT, "allow_cidr": (LOOPBACK,)} if local else {}
    spec = parse_spec(wanted | {key: value for key, value in said.items() if value not in (None, ())})
    bundle = build_bundle()
    config = NodeConfig(
        deployment=spec.name, region=spec.region, cloud=settings.cloud, bundle_sha256=bundle.sha256,
        bundle_size=bundle.size, service_port=spec.service_port, login=spec.login, password_hash=NOBODY,
        token_hash=NOBODY, model=spec.model, allow_private_download=local,
    )  # fmt: skip
    text = render_template(spec, build_user_data(config), scheme="http" if local else "https")
    require_good(text, public=spec.public)
    if output is not None:
        write_atomic(output.absolute(), text.encode("utf-8"), 0o644)
        caller.console.answer({"template": str(output)}, [str(output)])
    else:
        caller.console.answer({"template": text}, [text.rstrip("\n")])
    return 0
