"""What a bake and its image are called, and the one command that a baking node is told."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

PREFIX = "bake-"
# Its own script is told by $0: the node's agent has that open while it runs.
CLEAN = (
    'cd "${GARRET_PREFIX}/opt/garret/current" && exec env PYTHONDONTWRITEBYTECODE=1'
    ' "${GARRET_PYTHON:-python3}" -m garret.image_bootstrap.clean "$0"'
)


def is_bake(deployment: str) -> bool:
    """Say whether a deployment is the temporary one of a bake, by its name."""
    return deployment.startswith(PREFIX)


def image_name(deployment: str) -> str:
    """A name for the image of a bake that begins now; the cloud takes each name once."""
    return f"garret-{deployment.removeprefix(PREFIX)}-{datetime.now(UTC):%Y%m%d-%H%M}-{secrets.token_hex(2)}"
