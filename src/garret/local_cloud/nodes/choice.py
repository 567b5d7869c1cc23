"""Which driver a home has chosen for its nodes. A light module: every command that uses the cloud asks."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from garret.local_cloud.home import Home, private

PROCESS, NAMESPACE = "process", "namespace"
NAMES = (NAMESPACE, PROCESS)


@dataclass(frozen=True)
class Choice:
    """A driver by its name, and why it is this one."""

    name: str
    why: str

    @property
    def scheme(self) -> str:
        """What the service of a node on it speaks: a folder on loopback needs no TLS, a machine has it."""
        return "https" if self.name == NAMESPACE else "http"


def chosen(place: Home) -> Choice | None:
    """What was chosen for this home; None before its cloud was up for the first time."""
    try:
        return Choice(**json.loads((place.folder / "driver.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def keep(place: Home, choice: Choice) -> None:
    """Remember it."""
    private(place.folder / "driver.json").write_text(json.dumps(asdict(choice)), "utf-8")
