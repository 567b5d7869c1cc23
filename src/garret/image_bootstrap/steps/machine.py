"""Steps about the machine: folders, and the service's user."""

from __future__ import annotations

import os
import shutil

from garret.image_bootstrap.first_stage import StepSkipped
from garret.image_bootstrap.folders import entered
from garret.image_bootstrap.host import Host
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
    for folder in _OWN:
        path = node.host.path(folder)
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(_mode(folder))
    for folder in _SERVICE:
        with entered(node.host.root, folder, _mode(folder)):
            pass  # it is there now


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
        _own(host, folder)
    # Requests come from the operator, as root; the service's user reads them.
    shutil.chown(host.path("/var/lib/garret/requests"), "root", SERVICE_USER)


def _user_exists(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _mode(folder: str) -> int:
    return 0o750 if folder.startswith("/var/lib/garret") else 0o755


def _own(host: Host, folder: str) -> None:
    """Give a folder to the service's user: the folder itself, never what a link in its place leads to."""
    import pwd

    user = pwd.getpwnam(SERVICE_USER)
    with entered(host.root, folder) as handle:
        known = os.fstat(handle)
        if (known.st_uid, known.st_gid) != (user.pw_uid, user.pw_gid):
            os.fchown(handle, user.pw_uid, user.pw_gid)
        if known.st_mode & 0o7777 != 0o750:
            os.fchmod(handle, 0o750)
