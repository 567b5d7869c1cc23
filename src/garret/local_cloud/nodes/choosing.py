"""Which driver boots a home's nodes: the one it has nodes on, the one asked for, or the best that works here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from garret.errors import SettingsError
from garret.local_cloud.home import Home, private
from garret.local_cloud.nodes.driver import Driver
from garret.local_cloud.nodes.process import ProcessDriver

PROCESS, NAMESPACE = "process", "namespace"
NAMES = (NAMESPACE, PROCESS)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Choice:
    """A driver by its name, and why it is this one."""

    name: str
    why: str


def chosen(place: Home) -> Choice | None:
    """What was chosen for this home earlier; None before its cloud was up for the first time."""
    try:
        return Choice(**json.loads(_file(place).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def choose(place: Home, wanted: str, tell: Tell) -> Choice:
    """Choose and remember; `wanted` is a driver's name, or empty for the best that works here.

    Raises:
        SettingsError: there is no such driver, it does not work here, or the home has nodes on another.
    """
    if wanted and wanted not in NAMES:
        raise SettingsError(f"driver: there is no driver {wanted!r}", f"drivers are {' and '.join(NAMES)}")
    known = chosen(place)
    if known is not None and wanted in ("", known.name):
        return known
    if known is not None and any(place.nodes.glob("*")):
        raise SettingsError(
            f"driver: this home has nodes on the {known.name} driver",
            "type `garret local down --erase` first; it forgets them",
        )
    choice = _choice(wanted, tell)
    private(_file(place)).write_text(json.dumps(asdict(choice)), "utf-8")
    return choice


def driver(place: Home) -> Driver:
    """The driver of a home, ready for its nodes."""
    choice = chosen(place)
    if choice is not None and choice.name == NAMESPACE:
        from garret.local_cloud.nodes.namespace.driver import NamespaceDriver

        return NamespaceDriver(place.nodes)
    return ProcessDriver(place.nodes)


def _choice(wanted: str, tell: Tell) -> Choice:
    if wanted == PROCESS:
        return Choice(PROCESS, "it was asked for")
    if not wanted:  # until whole nodes have everything that the runtime needs
        return Choice(PROCESS, "it is quick; whole nodes: --driver namespace")
    from garret.local_cloud.nodes.namespace.trial import trial

    obstacle = trial(tell)
    if not obstacle:
        return Choice(NAMESPACE, "it was asked for" if wanted else "a node was booted on it for a trial")
    if wanted:
        raise SettingsError(f"driver: {NAMESPACE} does not work here: {obstacle}", f"or take --driver {PROCESS}")
    return Choice(PROCESS, f"{NAMESPACE} does not work here: {obstacle}")


def _file(place: Home) -> Path:
    return place.folder / "driver.json"
