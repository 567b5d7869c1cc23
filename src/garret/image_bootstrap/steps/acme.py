"""The step about the trusted certificate: port 80 for the authority's challenge, and who gets the certificate."""

from __future__ import annotations

import sys
from pathlib import Path

from garret.image_bootstrap.acme.state import FILE, WEBROOT, State, write_state
from garret.image_bootstrap.first_stage import StepSkipped
from garret.image_bootstrap.steps.answers import check_port_is_free
from garret.image_bootstrap.steps.front import SITES, ensure_front
from garret.image_bootstrap.steps.node import Node

SITE = f"{SITES}/acme.conf"
UNITS = "/etc/systemd/system"
SERVICE, TIMER = "garret-acme.service", "garret-acme.timer"
_HERE = Path(__file__).resolve().parents[1]


def ensure_acme(node: Node) -> None:
    """Have the certificate that browsers trust looked after, when one was asked for; it is not waited for.

    Only now is the address known that the name has to point to, so it may take until somebody has set its A record.
    """
    host = node.host
    if not node.config.acme:
        raise StepSkipped("no trusted certificate was asked for: --acme")
    if not node.has_front:
        raise StepSkipped(f"no nginx that could answer an authority: {host.why_not_whole}")
    node.facts["acme"] = True
    site = challenge_site(node)
    path = host.path(SITE)
    if not path.is_file() or path.read_text("utf-8") != site:
        address, _, port = node.challenge_listen.rpartition(":")
        check_port_is_free(address or "0.0.0.0", int(port))  # noqa: S104 - authorities ask from anywhere
        host.write(SITE, site, 0o644)
    ensure_front(node)
    if not host.path(FILE).is_file():
        write_state(host, State("waiting", node.config.domain, "it is being asked for"))
    changed = [_write_unit(node, unit) for unit in (SERVICE, TIMER)]
    if any(changed):
        host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "enable", "--now", TIMER])
    host.run(["systemctl", "start", "--no-block", SERVICE])


def challenge_site(node: Node) -> str:
    """What nginx does on port 80: the authority's challenge, and the way to https for everybody else."""
    port = node.config.service_port
    text = (_HERE / "front/acme.conf").read_text("utf-8")
    text = text.replace("@LISTEN@", node.challenge_listen).replace("@WEBROOT@", str(node.host.path(WEBROOT)))
    return text.replace("@PORT@", "" if port == 443 else f":{port}")


def _write_unit(node: Node, name: str) -> bool:
    text = (_HERE / "units" / name).read_text("utf-8")
    text = text.replace("@ROOT@", node.host.prefix).replace("@PYTHON@", sys.executable)
    return node.host.write(f"{UNITS}/{name}", text, 0o644)
