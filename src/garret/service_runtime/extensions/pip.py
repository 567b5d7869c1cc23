"""Packages from the index that this node's pip is configured for, into a folder of their own; wheels only."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from garret.service_runtime.extensions.programs import ProgramFailed, run_program
from garret.service_runtime.extensions.project import NotAnExtension, normalized

LIMIT_S = 1200.0
_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")
_QUIET = ("--quiet", "--progress-bar", "off", "--no-cache-dir", "--only-binary", ":all:")


@dataclass(frozen=True)
class Package:
    """One wheel that pip would install."""

    name: str
    version: str
    sha256: str
    asked_for: bool


def configuration() -> dict[str, str]:
    """Return, as variables, what pip is configured to do for whoever calls: a node's mirror may be root's alone."""
    done = subprocess.run(
        [sys.executable, *_PIP, "config", "list"], capture_output=True, text=True, check=False, timeout=60
    )
    found = re.findall(r"^(?:global|install)\.([a-z-]+)=('.*'|\".*\")$", done.stdout, re.MULTILINE)
    return {f"PIP_{name.upper().replace('-', '_')}": str(ast.literal_eval(value)) for name, value in found}


def choose(wanted: Sequence[str], folder: Path, mirror: str, look: Callable[[], None]) -> list[Package]:
    """Return what is missing for these requirements beside the service's own packages, which stay as they are."""
    report, own = folder / "report.json", folder / "own.txt"
    have = {normalized(one.metadata["Name"] or ""): one.version for one in distributions()}
    own.write_text("".join(f"{name}=={version}\n" for name, version in sorted(have.items()) if name), encoding="utf-8")
    command = [
        sys.executable,
        *_PIP,
        "install",
        *_QUIET,
        "--dry-run",
        "--report",
        str(report),
        "--constraint",
        str(own),
    ]
    run_program([*command, *_index(mirror), "--", *wanted], folder, {}, LIMIT_S, look=look)
    return [_package(one) for one in json.loads(report.read_text(encoding="utf-8"))["install"]]


def install(packages: Sequence[Package], folder: Path, target: Path, mirror: str, look: Callable[[], None]) -> None:
    """Install exactly these wheels into a folder; pip refuses one with another hash."""
    pins = folder / "pins.txt"
    lines = [f"{one.name}=={one.version} --hash=sha256:{one.sha256}\n" for one in packages]
    pins.write_text("".join(lines), encoding="utf-8")
    command = [sys.executable, *_PIP, "install", *_QUIET, "--no-deps", "--no-compile", "--target", str(target)]
    run_program([*command, *_index(mirror), "--requirement", str(pins)], folder, {}, LIMIT_S, look=look)


def _index(mirror: str) -> list[str]:
    return ["--index-url", mirror] if mirror else []


def _package(one: dict[str, Any]) -> Package:
    archive = one["download_info"].get("archive_info") or {}
    sha256 = (archive.get("hashes") or {}).get("sha256", "")
    name, version = one["metadata"]["name"], one["metadata"]["version"]
    if not sha256:
        raise NotAnExtension(f"the index gives no SHA-256 for {name} {version}", "Use an index that does")
    return Package(normalized(name), version, sha256, bool(one.get("requested")))


def why(failed: ProgramFailed) -> tuple[str, str]:
    """Return what pip's words mean, and what to do."""
    said = failed.said
    if "No module named pip" in said:
        return "pip is not on this node", "Send the extension as an archive without dependencies"
    missing = re.search(r"No matching distribution found for (\S+)", said)
    if "ResolutionImpossible" in said or "conflicting dependencies" in said:
        cause = re.search(r"The conflict is caused by:\s*(.*?)(?:\n\s*\n|$)", said, re.DOTALL)
        text = "; ".join(line.strip() for line in cause[1].splitlines()) if cause else "see the execution's log"
        return f"it needs other versions than the service's own: {text[:400]}", "Ask its author for a version that fits"
    if missing:
        hint = "Check the name; give an index with --mirror. Only wheels are installed"
        return f"the index has no wheel of {missing[1]} for this node, or cannot be reached", hint
    if "DO NOT MATCH THE HASHES" in said:
        return "the index gave another file than it had announced", "Try another --mirror"
    last = (
        [line for line in said.splitlines() if line.startswith("ERROR")][-1:] or said.splitlines()[-1:] or [str(failed)]
    )
    return f"pip: {last[0][:300]}", "`pip config list` on the node shows its index"
