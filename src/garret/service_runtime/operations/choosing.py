"""Which models a request means by type and name, and reading the parameters of the verbs that name models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from garret.service_runtime.model_files import TYPES
from garret.service_runtime.models import HashCache, Model, Models
from garret.service_runtime.operations.known_files import registry
from garret.service_runtime.operations.run import WrongParameter
from garret.service_runtime.settings import ServiceSettings

LONGEST = 300


def texts(parameters: Mapping[str, Any], *names: str, flags: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a verb's parameters, empty or False where they are not said.

    Raises:
        WrongParameter: one is unknown, or not of its kind.
    """
    unknown = set(parameters) - {*names, *flags}
    if unknown:
        raise WrongParameter(sorted(unknown)[0][:80], "is not a parameter of this operation")
    found: dict[str, Any] = {name: parameters.get(name) or "" for name in names}
    for name, value in found.items():
        if not isinstance(value, str) or len(value) > LONGEST:
            raise WrongParameter(name, f"must be text of at most {LONGEST} characters")
    for flag in flags:
        found[flag] = parameters.get(flag, False)
        if not isinstance(found[flag], bool):
            raise WrongParameter(flag, "must be true or false")
    if found.get("type") and found["type"] not in TYPES:
        raise WrongParameter(
            "type", f"{found['type'][:40]!r} is not a type of model", f"Give one of {', '.join(TYPES)}"
        )
    return found


@contextmanager
def models_of(settings: ServiceSettings) -> Iterator[tuple[Models, HashCache]]:
    """The registry, and the hashes that it shares with the service."""
    with closing(HashCache(settings.state_dir / "models.sqlite")) as hashes:
        yield registry(settings, hashes), hashes


def choose(models: list[Model], name: str, root: Path) -> Model:
    """Return the one model that a name means: its name, its file's name, or its path below the root.

    Raises:
        WrongParameter: there is none, or there are several.
    """
    found = [one for one in models if name in (one.name, one.path.name, below(root, one.path), str(one.path))]
    if len(found) == 1:
        return found[0]
    if not found:
        known = ", ".join(sorted({one.name for one in models})[:30]) or "none"
        raise WrongParameter("name", f"there is no model {name[:80]!r}", f"There are: {known}")
    places = ", ".join(below(root, one.path) for one in found)
    raise WrongParameter("name", f"{len(found)} models are called {name[:80]!r}", f"Say one of: {places}; or --type")


def below(root: Path, path: Path) -> str:
    """Return a path as it is told, from the models' root on."""
    return path.relative_to(root).as_posix()
