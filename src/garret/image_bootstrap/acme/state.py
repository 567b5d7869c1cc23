"""How far the trusted certificate is, as `garret status` and the service show it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from garret.image_bootstrap.host import Host

FOLDER = "/var/lib/garret/acme"
FILE = f"{FOLDER}/state.json"
WEBROOT = f"{FOLDER}/www"
"""Where nginx looks for what an authority asks on port 80."""


AUTHORITIES = "/var/lib/garret/incoming/acme-ca.pem"
"""The certificates of a private authority, which the operator sends when the node is up."""


@dataclass(frozen=True)
class State:
    """`state` is waiting (for something outside), failed (and tried again) or issued; times are ISO 8601 in UTC.

    `reason` is what is missing; with issued it is why the last renewal did not work.
    """

    state: str
    name: str = ""
    reason: str = ""
    not_after: str = ""
    sha256: str = ""
    next_try: str = ""


def write_state(host: Host, state: State) -> None:
    """Write it for everybody on the node to read; there is no secret in it."""
    folder = host.path(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    host.write(FILE, json.dumps(asdict(state) | {"at": iso()}, indent=1) + "\n", 0o644)


def iso(at: float | None = None) -> str:
    """A time in seconds since 1970 as text; now without one."""
    moment = datetime.now(timezone.utc) if at is None else datetime.fromtimestamp(at, timezone.utc)  # noqa: UP017
    return moment.isoformat(timespec="seconds")
