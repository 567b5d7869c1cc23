"""Make a node's disk anybody's: take away what a deployment, a machine or a person left, before it becomes an image.

Run on the node as root, as the last thing before it is stopped. What was installed stays: packages, the interpreter
with its libraries, the runtime, the models. Everything a secret could be in goes, and then the disk is looked through
for the secrets that this node knew. Any of it twice does no harm. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from garret.image_bootstrap import node_config
from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.host import Host
from garret.image_bootstrap.node_config import NodeConfig

STAMP = "/usr/share/garret/image.json"
MODELS = "/var/lib/garret/models.json"
GONE = (
    # This deployment's own: settings, keys, tokens, the bootstrap's files and the service's state.
    "/etc/garret/*", "/var/lib/garret/*", "/etc/systemd/system/garret*", "/etc/systemd/system/*.wants/garret*",
    "/etc/systemd/system/*.d/garret*",
    "/etc/nginx/garret*",
    # This machine's: who it is, how it is reached, what cloud-init and the cloud's agent did on it.
    "/etc/ssh/ssh_host_*", "/var/lib/cloud/*", "/var/lib/dhcp/*", "/var/lib/dbus/machine-id",
    "/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret", "/etc/netplan/50-cloud-init.yaml",
    "/etc/network/interfaces.d/50-cloud-init*", "/etc/udev/rules.d/70-persistent-net.rules",
    "/usr/local/share/aliyun-assist/work/script/*", "/usr/local/share/aliyun-assist/*/log/*",
    # A person's: keys, histories, caches.
    "/root/.ssh/*", "/home/*/.ssh/*", "/root/.*_history", "/home/*/.*_history", "/root/.cache", "/home/*/.cache",
    "/root/.lesshst", "/root/.viminfo", "/root/.wget-hsts", "/root/.config",
    # Nobody's: what is fetched or written again.
    "/tmp/*", "/tmp/.[!.]*", "/var/tmp/*",  # noqa: S108 - a pattern
    "/var/lib/apt/lists/*", "/var/cache/apt/archives/*.deb",
    "/var/cache/apt/*.bin", "/var/crash/*", "/var/log/garret/*", "/var/log/journal/*",
)  # fmt: skip
KEPT = (MODELS,)
_ROTATED = re.compile(r".*\.(gz|xz|old|\d+)$")
_LOOKED_AT = ("/etc", "/var", "/root", "/home", "/usr/local", "/usr/share/garret", "/opt/garret", "/tmp")  # noqa: S108
_PASSED_BY = ("/home/models", "/opt/garret/venv", "/opt/garret/venvs", "/var/cache/apt", "/var/lib/dpkg")
_SMALL = 16 << 20  # bytes; larger files are models and archives
_WORD = re.compile(rb"[A-Za-z0-9+/=_.$%&?:-]{20,}")


def clean(host: Host, own: str = "") -> dict[str, object]:
    """Take it all away, but for the file `own` that runs this; what was done, for the operator.

    Raises:
        StepFailed: names the files in which a secret of this node is still to be found.
    """
    secrets, stamp = secrets_of(host), _stamp(host)
    _stop(host)
    _keep_models(host)
    removed = sum(_remove(path, own) for path in _matching(host))
    _empty_logs(host)
    if host.is_whole_machine:
        _forget_machine(host)
    host.write(STAMP, json.dumps(stamp, sort_keys=True) + "\n", 0o644)
    found = leftovers(host, secrets)
    if found:
        raise StepFailed(f"a secret of this node is still in {', '.join(found[:5])}; no image is made of it")
    return {"removed": removed, "secrets_looked_for": len(secrets), **stamp}


def image_of(host: Host) -> str:
    """The name of the baked image that this node was made of; empty for none."""
    try:
        return str(json.loads(host.path(STAMP).read_text("utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def secrets_of(host: Host) -> set[bytes]:
    """Every long word of the files that hold secrets: the stack's signal, the node's token, keys, hashes of logins."""
    words: set[bytes] = set()
    signal = host.path("/var/lib/garret/signal")
    if signal.is_file():
        # An address, and what is signed in it; the words around it are curl's.
        words |= {word for word in _WORD.findall(signal.read_bytes()) if b"://" in word}
    config = host.path(node_config.PATH)
    if config.is_file():
        # Of the runtime's and a model's: an address that is signed opens what it leads to.
        words |= {word for word in _WORD.findall(config.read_bytes()) if b"://" in word and b"?" in word}
    keys = host.path("/etc/garret").rglob("*key*.pem")
    for file in (host.path("/etc/garret/node.token"), *sorted(keys)):
        if file.is_file():
            words |= {word for word in _WORD.findall(file.read_bytes()) if b"-----" not in word}
    files = [host.path("/etc/garret/service.env"), host.path("/etc/garret/service.local.env")]
    lines = [line for file in files if file.is_file() for line in file.read_bytes().splitlines()]
    for name, _, value in (line.partition(b"=") for line in lines):
        if re.search(rb"PASSWORD|TOKEN|HASH|SECRET", name):
            words |= set(_WORD.findall(value))
    return words


def leftovers(host: Host, secrets: set[bytes]) -> list[str]:
    """Files of the disk that hold one of these secrets, as paths of the node."""
    if not secrets:
        return []
    any_of_them = re.compile(b"|".join(re.escape(word) for word in sorted(secrets)))
    return ["/" + str(path.relative_to(host.root)) for path in _files(host) if any_of_them.search(path.read_bytes())]


def _files(host: Host) -> Iterator[Path]:
    passed_by = {host.path(folder) for folder in _PASSED_BY}
    for top in _LOOKED_AT:
        for folder, names, files in os.walk(host.path(top)):
            names[:] = [name for name in names if Path(folder) / name not in passed_by]
            for name in files:
                path = Path(folder) / name
                if path.is_file() and not path.is_symlink() and path.stat().st_size <= _SMALL:
                    yield path


def _stamp(host: Host) -> dict[str, str]:
    """What the nodes made of the image say of it; from the second time on the node's own file is gone."""
    file, stamp = host.path(node_config.PATH), host.path(STAMP)
    if file.is_file():
        config = NodeConfig.from_json(file.read_text("utf-8"))
        if config.bake:
            at = datetime.now(timezone.utc).isoformat(timespec="seconds")  # noqa: UP017 - Python 3.9
            return {"name": config.bake, "runtime": config.bundle_sha256, "at": at}
    elif stamp.is_file():
        return dict(json.loads(stamp.read_text("utf-8")))
    raise StepFailed("no image is being made of this machine; it is left as it is")


def _stop(host: Host) -> None:
    """End what would write again, and keep nginx from answering before the next node has configured it."""
    if not host.is_whole_machine or not host.has("systemctl"):
        return
    for unit in ("garret.service", "garret-bootstrap.service", "nginx.service", "rsyslog.service", "syslog.socket"):
        host.run(["systemctl", "stop", unit], timeout_s=90, check=False, quiet=True)
    host.run(["systemctl", "disable", "garret.service", "garret-bootstrap.service"], check=False, quiet=True)
    host.run(["systemctl", "disable", "nginx.service"], check=False, quiet=True)


def _keep_models(host: Host) -> None:
    """Keep which models are there, and not where they came from."""
    file = host.path(MODELS)
    if file.is_file():
        known = json.loads(file.read_text("utf-8"))
        models = [{"name": one["name"], "sha256": one["sha256"]} for one in known["models"]]
        host.write(MODELS, json.dumps({"order": known["order"], "models": models}) + "\n", 0o644)


def _matching(host: Host) -> list[Path]:
    kept = {host.path(path) for path in KEPT}
    return [path for pattern in GONE for path in sorted(host.root.glob(pattern.lstrip("/"))) if path not in kept]


def _remove(path: Path, own: str) -> bool:
    # What the agent that runs this has open: its script, and what it hears of it.
    if own and path.name.split(".")[0] == Path(own).name.split(".")[0]:
        return False
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return True


def _empty_logs(host: Host) -> None:
    """Empty logs where they lie: programs have them open, and some do not make them again."""
    for folder, _, files in os.walk(host.path("/var/log")):
        for name in files:
            path = Path(folder) / name
            if _ROTATED.match(name):
                path.unlink(missing_ok=True)
            elif path.is_file() and not path.is_symlink():
                os.truncate(path, 0)


def _forget_machine(host: Host) -> None:
    """Let the next boot be the first: cloud-init, the machine's id, the journal."""
    if host.has("cloud-init"):
        host.run(["cloud-init", "clean", "--logs"], timeout_s=120, check=False, quiet=True)
    if host.has("journalctl"):
        host.run(["journalctl", "--rotate"], check=False, quiet=True)
        host.run(["journalctl", "--vacuum-time=1s"], check=False, quiet=True)
    for path in host.path("/var/log/journal").glob("*"):
        shutil.rmtree(path, ignore_errors=True)
    host.write("/etc/hostname", "localhost\n", 0o644)
    # Empty, not absent: systemd then makes one, and does not take the boot for the first after an installation.
    host.write("/etc/machine-id", "", 0o444)
    os.sync()


def main(arguments: list[str]) -> int:
    """Clean this machine and say what was done, as JSON; 1 when a secret is left."""
    host = Host.from_environment(os.environ)
    try:
        done = clean(host, arguments[0] if arguments else "")
    except (StepFailed, OSError, ValueError) as error:
        print(json.dumps({"error": str(error)}))  # noqa: T201 - the operator's answer
        return 1
    print(json.dumps(done))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
