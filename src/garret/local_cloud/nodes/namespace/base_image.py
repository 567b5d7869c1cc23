"""The base image of nodes: Debian 12 with the cloud-init of Debian 13, made once from Debian's packages.

Debian 12, since torch has CPU builds for its Python on more indexes than for later ones; the newer cloud-init, since
older ones than 23.1 do not know metadata tokens, which the template demands.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from garret.local_cloud.metadata.tree import NAMESERVERS
from garret.local_cloud.nodes.driver import DriverError
from garret.local_cloud.nodes.namespace import users

SUITE, NEWER = "bookworm", "trixie"
PACKAGES = (
    "systemd-sysv", "dbus", "cloud-init", "openssh-server", "python3", "python3-venv", "nginx-light", "openssl",
    "iproute2", "ca-certificates", "curl", "sudo", "procps", "isc-dhcp-client", "netbase", "libgomp1",
)  # fmt: skip
LIMIT_S = 900
_PINS = f"""Package: *
Pin: release n={NEWER}
Pin-Priority: 100

Package: cloud-init cloud-init-base
Pin: release n={NEWER}
Pin-Priority: 990
"""
_HOOK = f"""#!/bin/sh
set -e
sed -n 's/ {SUITE} / {NEWER} /p' "$1/etc/apt/sources.list" | head -n 1 > "$1/etc/apt/sources.list.d/{NEWER}.list"
cat > "$1/etc/apt/preferences.d/cloud-init" <<'END'
{_PINS}END
"""
# What the vendor's own images say; the rest of cloud-init is as Debian ships it.
_FILES = {
    "etc/cloud/cloud.cfg.d/90_aliyun.cfg": (
        "datasource_list: [ AliYun ]\nlocale: false\ndisable_root: false\n"
        "ssh_genkeytypes: [ ed25519, ecdsa ]\napt: { preserve_sources_list: true }\n"
        "growpart: { mode: 'off' }\nresize_rootfs: false\n"
    ),
    "etc/resolv.conf": "".join(f"nameserver {server}\n" for server in NAMESERVERS),
    "etc/pip.conf": (
        "[global]\nindex-url = http://mirrors.cloud.aliyuncs.com/pypi/simple/\n"
        "[install]\ntrusted-host = mirrors.cloud.aliyuncs.com\n"
    ),
    "etc/machine-id": "",
}
# What only a whole machine has: kernel file systems, hardware, a console to log in at.
_MASKED = (
    "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount", "dev-hugepages.mount",
    "dev-mqueue.mount", "proc-sys-fs-binfmt_misc.automount", "systemd-modules-load.service", "systemd-udevd.service",
    "console-getty.service", "getty@tty1.service", "e2scrub_reap.service", "e2scrub_all.timer",
    "apt-daily.timer", "apt-daily-upgrade.timer",
)  # fmt: skip


def recipe() -> str:
    """A digest of all that makes the image what it is: another recipe is another image."""
    parts = (SUITE, NEWER, *PACKAGES, _HOOK, *(f"{name}\0{text}" for name, text in _FILES.items()), *_MASKED)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def base_image(cache: Path, told: Callable[[str], None] = lambda _: None) -> Path:
    """The image's tree, its users shifted to those of nodes; made when it is not there yet, in a minute or so.

    Raises:
        DriverError: it cannot be made, with the last words of what makes it.
    """
    place = cache / f"base-{SUITE}-{recipe()}"
    if place.is_dir():
        return place
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "base.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two clouds of one machine share it
        if not place.is_dir():
            told("making the base image of nodes from Debian's packages: once, about a minute")
            _make(cache, place)
    return place


def _make(cache: Path, place: Path) -> None:
    work = cache / f"{place.name}.new"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        hook, packed, tree = work / "hook.sh", work / "base.tar", work / "tree"
        hook.write_text(_HOOK, "ascii")
        hook.chmod(0o755)
        words = ["mmdebstrap", "--quiet", "--variant=minbase", f'--setup-hook={hook} "$1"']
        _run([*words, f"--include={','.join(PACKAGES)}", SUITE, str(packed)])
        tree.mkdir()
        _run(["tar", "-C", str(tree), "--numeric-owner", "--exclude=./dev/*", "-xpf", str(packed)])
        _finish(tree)
        users.shift(tree)
        tree.rename(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _finish(tree: Path) -> None:
    """Make it an image: nothing in it that a machine makes for itself at its first boot."""
    for name, text in _FILES.items():
        path = tree / name
        path.unlink(missing_ok=True)
        path.write_text(text, "ascii")
    (tree / "etc/hostname").unlink(missing_ok=True)
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for unit in _MASKED:
        (tree / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (tree / "etc/systemd/system" / unit).symlink_to("/dev/null")
    # nginx comes up when garret has configured it; Debian's own page is nobody's.
    for wanted in (tree / "etc/systemd/system").rglob("nginx.service"):
        wanted.unlink()
    wants = tree / "etc/systemd/system/multi-user.target.wants"
    (wants / "systemd-networkd.service").symlink_to("/lib/systemd/system/systemd-networkd.service")


def _run(words: list[str]) -> None:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
            timeout=LIMIT_S,
        )  # fmt: skip
    except FileNotFoundError:
        raise DriverError(f"{words[0]} is not installed: apt-get install {words[0]}") from None
    except subprocess.TimeoutExpired:
        raise DriverError(f"{words[0]} did not end within {LIMIT_S} s") from None
    if done.returncode:
        last = " | ".join(done.stderr.strip().splitlines()[-3:])
        raise DriverError(f"the base image cannot be made: {words[0]}: {last[-500:]}")
