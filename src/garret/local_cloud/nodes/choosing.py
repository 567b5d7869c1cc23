"""Which driver boots a home's nodes: the one it has nodes on, the one asked for, or the best that works here."""

from __future__ import annotations

from collections.abc import Callable

from garret.errors import SettingsError
from garret.local_cloud.home import Home
from garret.local_cloud.nodes.choice import NAMES, NAMESPACE, PROCESS, Choice, chosen, keep
from garret.local_cloud.nodes.driver import Driver
from garret.local_cloud.nodes.process import ProcessDriver

Tell = Callable[[str], None]


def choose(place: Home, wanted: str, tell: Tell) -> Choice:
    """Choose and remember; `wanted` is a driver's name, or empty for the best that works here.

    Raises:
        SettingsError: there is no such driver, it does not work here, or the home has nodes on another.
    """
    check(wanted)
    known = chosen(place)
    if known is not None and wanted in ("", known.name):
        return known
    if known is not None and any(place.nodes.glob("*")):
        raise SettingsError(
            f"driver: this home has nodes on the {known.name} driver",
            "type `garret local down --erase` first; it forgets them",
        )
    choice = _choice(wanted, tell)
    keep(place, choice)
    return choice


def check(wanted: str | None) -> None:
    """See that a driver of this name exists, if one was asked for; SettingsError names those there are."""
    if wanted and wanted not in NAMES:
        raise SettingsError(f"driver: there is no driver {wanted!r}", f"drivers are {' and '.join(NAMES)}")


def driver(place: Home) -> Driver:
    """The driver of a home, ready for its nodes."""
    choice = chosen(place)
    if choice is not None and choice.name == NAMESPACE:
        from garret.local_cloud.nodes.namespace.driver import CACHE, NamespaceDriver
        from garret.local_cloud.nodes.namespace.mirror import Mirror
        from garret.local_cloud.nodes.namespace.wheelhouse import build_wheelhouse

        # At the first VPC, not here: who only asks how the cloud is needs no wheels.
        return NamespaceDriver(place.nodes, mirror=lambda listener: Mirror(build_wheelhouse(CACHE)).serve(listener))
    return ProcessDriver(place.nodes)


def _choice(wanted: str, tell: Tell) -> Choice:
    if wanted == PROCESS:
        return Choice(PROCESS, "it was asked for")
    from garret.local_cloud.nodes.namespace.trial import trial

    obstacle = trial(tell)
    if not obstacle:
        return Choice(NAMESPACE, "it was asked for" if wanted else "a node was booted on it for a trial")
    if wanted:
        raise SettingsError(f"driver: {NAMESPACE} does not work here: {obstacle}", f"or take --driver {PROCESS}")
    return Choice(PROCESS, f"{NAMESPACE} does not work here: {obstacle}")
