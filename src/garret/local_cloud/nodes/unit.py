"""The part of a systemd service unit that a process node keeps to; what it cannot keep is noted, not hidden."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

KEPT = {
    "Type", "ExecStart", "Environment", "EnvironmentFile", "WorkingDirectory", "Restart", "RestartSec",
    "TimeoutStopSec", "TimeoutStartSec",
}  # fmt: skip
RESTARTS = ("no", "on-failure", "always")
TYPES = ("simple", "oneshot", "exec")


class BadUnit(ValueError):
    """A unit file that this driver cannot run."""


@dataclass(frozen=True)
class Unit:
    """One service; times in seconds."""

    name: str
    command: tuple[str, ...]
    kind: str = "simple"
    environment: dict[str, str] = field(default_factory=dict)
    working_directory: str = ""
    restart: str = "no"
    restart_s: float = 0.1
    stop_s: float = 30.0
    ignored: tuple[str, ...] = ()


def read_unit(path: Path) -> Unit:
    """Read a unit file and the environment files that it names.

    Raises:
        BadUnit: it is not there, or asks for something without which it would not run as written.
    """
    try:
        settings = _service_section(path.read_text("utf-8"))
    except OSError as error:
        raise BadUnit(f"{path.name}: {error.strerror}") from None
    commands = settings.get("ExecStart", [])
    if len(commands) != 1:
        raise BadUnit(f"{path.name}: a process node runs units with one ExecStart, and this has {len(commands)}")
    kind, restart = _last(settings, "Type", "simple"), _last(settings, "Restart", "no")
    if kind not in TYPES or restart not in RESTARTS:
        raise BadUnit(f"{path.name}: a process node does not do Type={kind} with Restart={restart}")
    return Unit(
        name=path.name,
        # systemd's way to write a dollar for a shell; it would put variables in itself, which this does not.
        command=tuple(word.replace("$$", "$") for word in shlex.split(commands[0])),
        kind=kind,
        environment=_environment(path, settings),
        working_directory=_last(settings, "WorkingDirectory", ""),
        restart=restart,
        restart_s=_seconds(_last(settings, "RestartSec", "100ms")),
        stop_s=_seconds(_last(settings, "TimeoutStopSec", "30")),
        ignored=tuple(sorted(set(settings) - KEPT)),
    )


def _service_section(text: str) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    section = ""
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if stripped.startswith("["):
            section = stripped.strip("[]")
        elif section == "Service" and "=" in stripped:
            name, _, value = stripped.partition("=")
            settings.setdefault(name.strip(), []).append(value.strip())
    return settings


def _environment(path: Path, settings: dict[str, list[str]]) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in settings.get("Environment", []):
        for word in shlex.split(line):
            name, _, value = word.partition("=")
            values[name] = value
    for named in settings.get("EnvironmentFile", []):
        file = Path(named.removeprefix("-"))
        if not file.is_file():
            if named.startswith("-"):
                continue
            raise BadUnit(f"{path.name}: EnvironmentFile {file} is not there")
        for line in file.read_text("utf-8").splitlines():
            if line.strip() and line.strip()[0] not in "#;" and "=" in line:
                name, _, value = line.strip().partition("=")
                values[name] = _unquoted(value)
    return values


def _unquoted(value: str) -> str:
    """Read a value as systemd does: plain text is literal, double quotes allow a backslash, single ones do not."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        inner, rest = [], iter(value[1:-1])
        for character in rest:
            inner.append(next(rest, "") if character == "\\" else character)
        return "".join(inner)
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == "'" else value


def _last(settings: dict[str, list[str]], name: str, default: str) -> str:
    return settings.get(name, [default])[-1]


def _seconds(text: str) -> float:
    if text == "infinity":
        return float("inf")
    for suffix, factor in (("ms", 0.001), ("min", 60.0), ("s", 1.0)):
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * factor
    return float(text)
