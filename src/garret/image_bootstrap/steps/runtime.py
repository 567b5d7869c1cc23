"""Steps about the programs: the interpreter with its packages, and the node's own command."""

from __future__ import annotations

import hashlib
import shlex

from garret.image_bootstrap.first_stage import StepFailed, StepSkipped
from garret.image_bootstrap.steps.node import BUNDLE, SERVICE_USER, Node
from garret.image_bootstrap.steps.retry import retried

VENV = "/opt/garret/venv"
LOCKS = "garret/image_bootstrap/requirements"
_MINIMUM = (3, 11)


def ensure_python(node: Node) -> None:
    """Have an interpreter with what the lock file names, installed from the index this machine is configured for."""
    host = node.host
    if host.environment.get("GARRET_PYTHON"):
        node.facts["python"] = _version(node)
        raise StepSkipped(f"the image has it: {host.python}")
    if not host.is_whole_machine:
        raise StepFailed(f"no GARRET_PYTHON, and packages cannot be installed: {host.why_not_whole}")
    profile = "cuda" if str(node.facts.get("device", "")).startswith("cuda") else "cpu"
    locks = [host.path(f"{BUNDLE}/{LOCKS}/{name}.lock") for name in ("runtime", profile)]
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    stamp = host.path(f"{VENV}/.requirements-sha256")
    if not host.path(f"{VENV}/bin/python").exists():
        _make_venv(node)
    node.facts["python"] = _version(node)
    if stamp.is_file() and stamp.read_text("utf-8").strip() == digest:
        return
    install = [
        str(host.path(f"{VENV}/bin/python")),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
    ]
    wanted = [word for lock in locks for word in ("--requirement", str(lock))]
    retried(node, [*install, "--require-hashes", *wanted], timeout_s=2400)
    host.write(f"{VENV}/.requirements-sha256", digest + "\n", 0o644)


def ensure_node_command(node: Node) -> None:
    """Have `garret-node` on the PATH: the runtime's own command line, which the operator's commands call."""
    host = node.host
    exports = {"PYTHONPATH": str(host.path(BUNDLE)), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    if host.prefix:
        exports["GARRET_PREFIX"] = host.prefix
    # Cloud Assistant calls as root; what it starts has no need of that.
    as_user = [f'[ "$(id -u)" != 0 ] || exec runuser -u {SERVICE_USER} -- "$0" "$@"'] if host.is_whole_machine else []
    lines = [
        "#!/bin/sh",
        "# Written by garret's bootstrap: the runtime's command line on this node.",
        *as_user,
        *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
        f'exec {shlex.quote(host.python)} -m garret.service_runtime.node "$@"',
    ]
    host.write("/usr/local/bin/garret-node", "\n".join(lines) + "\n", 0o755)


def _make_venv(node: Node) -> None:
    # --clear: one that was left half made by a power cut would else be taken as it is.
    node.host.run(["python3", "-m", "venv", "--clear", str(node.host.path(VENV))], timeout_s=300)


def _version(node: Node) -> str:
    text = node.host.run([node.host.python, "-c", "import platform; print(platform.python_version())"]).strip()
    if tuple(int(part) for part in text.split(".")[:2]) < _MINIMUM:
        raise StepFailed(f"{node.host.python} is Python {text}, and the runtime needs {_MINIMUM[0]}.{_MINIMUM[1]}")
    return text
