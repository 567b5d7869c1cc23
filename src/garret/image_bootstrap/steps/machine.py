"""Steps about the machine: folders, and the service's user."""

from __future__ import annotations

import shutil
from pathlib import Path

from garret.image_bootstrap.first_stage import StepSkipped
from garret.image_bootstrap.steps.node import MODEL_FOLDERS, SERVICE_STATE, SERVICE_USER, Node

_OWN = ("/etc/garret", "/opt/garret", "/var/lib/garret/incoming", "/var/lib/garret/requests")
_SERVICE = (
    SERVICE_STATE,
    f"{SERVICE_STATE}/pictures",
    f"{SERVICE_STATE}/executions",
    "/home/models",
    *MODEL_FOLDERS,
    "/home/embeddings",
    "/home/extensions",
)


def ensure_directories(node: Node) -> None:
    """Have the folders of the runtime, the models and the service's state."""
    for folder in _OWN + _SERVICE:
        path = node.host.path(folder)
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(0o750 if folder.startswith("/var/lib/garret") else 0o755)


def ensure_user(node: Node) -> None:
    """Have a service user without login and without sudo, who owns the models and the service's state, and no more."""
    host = node.host
    if not host.is_whole_machine:
        raise StepSkipped(host.why_not_whole)
    if not _user_exists(SERVICE_USER):
        options = ["--system", "--user-group", "--no-create-home", "--home-dir", SERVICE_STATE]
        host.run(["useradd", *options, "--shell", "/usr/sbin/nologin", SERVICE_USER])
    # The way to the state must be walkable for the user; what lies beside it stays closed by its own modes.
    host.path("/var/lib/garret").chmod(0o711)
    for folder in _SERVICE:
        _own(host.path(folder))
    # Requests come from the operator, as root; the service's user reads them.
    shutil.chown(host.path("/var/lib/garret/requests"), "root", SERVICE_USER)


def _user_exists(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _own(path: Path) -> None:
    import pwd

    user = pwd.getpwnam(SERVICE_USER)
    if (path.stat().st_uid, path.stat().st_gid) != (user.pw_uid, user.pw_gid):
        shutil.chown(path, user.pw_uid, user.pw_gid)
    if path.stat().st_mode & 0o7777 != 0o750:
        path.chmod(0o750)
