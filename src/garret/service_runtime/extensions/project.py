"""What an extension says of itself: its pyproject.toml, or the metadata of its package; nothing of it is run."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from garret.service_runtime.extensions.registry import NAME

GROUP = "garret.extensions.v1"
_GROUPS = re.compile(r"garret\.extensions\.v(\d+)")
_TARGET = re.compile(r"[A-Za-z_][\w.]*(:[A-Za-z_][\w.]*)?")
_VERSION = re.compile(r"[A-Za-z0-9.+!_-]{0,60}")


class NotAnExtension(Exception):
    """What came is no extension for this service."""

    def __init__(self, reason: str, hint: str = "See docs/extensions.md") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True)
class Project:
    """An extension's own words; `path` is where its modules lie, below its folder."""

    name: str
    version: str
    entry_points: dict[str, str]
    requires: tuple[str, ...]
    path: str


def read_project(folder: Path) -> Project:
    """Read the pyproject.toml of a source tree."""
    file = folder / "pyproject.toml"
    try:
        whole = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotAnExtension("it has no pyproject.toml") from None
    except (OSError, ValueError) as error:
        raise NotAnExtension(f"its pyproject.toml cannot be read: {error}") from None
    table = whole.get("project")
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise NotAnExtension("its pyproject.toml has no [project] with a name")
    groups = table.get("entry-points")
    points = _points(groups if isinstance(groups, dict) else {})
    requires = table.get("dependencies", [])
    if not isinstance(requires, list) or not all(isinstance(one, str) for one in requires):
        raise NotAnExtension("the dependencies in its pyproject.toml are not a list of texts")
    path = _path_of(folder, points)
    return Project(_name(table["name"]), _version(table.get("version", "")), points, tuple(requires), path)


def read_package(folder: Path, name: str) -> Project:
    """Read what an installed package says."""
    for one in distributions(path=[str(folder)]):
        if normalized(one.metadata["Name"] or "") == name:
            return Project(_name(name), _version(one.version), _points(_groups_of(one)), (), "")
    raise NotAnExtension(f"{name} is not among what pip installed")


def normalized(name: str) -> str:
    """Return a package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _groups_of(one: Distribution) -> dict[str, Any]:
    groups: dict[str, dict[str, str]] = {}
    for point in one.entry_points:
        groups.setdefault(point.group, {})[point.name] = point.value
    return groups


def _points(groups: dict[str, Any]) -> dict[str, str]:
    points = groups.get(GROUP)
    if not points:
        other = [name for name in groups if _GROUPS.fullmatch(name)]
        if other:
            raise NotAnExtension(f"it is made for {other[0]}, and this service knows {GROUP}", "garret update")
        raise NotAnExtension(f"it has no entry point in the group {GROUP}")
    if not isinstance(points, dict) or not all(
        isinstance(value, str) and _TARGET.fullmatch(value) for value in points.values()
    ):
        raise NotAnExtension(f"its entry points in {GROUP} are not of the form module or module:object")
    return dict(points)


def _path_of(folder: Path, points: dict[str, str]) -> str:
    """Return where all the modules are that the entry points name: src, or the project itself."""
    tops = {value.partition(":")[0].partition(".")[0] for value in points.values()}
    for path in ("src", ""):
        if all((folder / path / f"{top}.py").is_file() or (folder / path / top).is_dir() for top in tops):
            return path
    raise NotAnExtension(f"its entry points name {', '.join(sorted(tops))}, which is neither in src/ nor beside it")


def _name(text: str) -> str:
    name = normalized(text)
    if not NAME.fullmatch(name) or len(name) > 64:
        raise NotAnExtension(f"its name, {text[:80]!r}, is not one of letters, digits and dashes")
    return name


def _version(value: object) -> str:
    return value if isinstance(value, str) and _VERSION.fullmatch(value) else ""
