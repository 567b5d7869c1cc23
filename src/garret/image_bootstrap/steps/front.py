"""Steps about the front: the packages it comes in, and nginx with TLS, limits and the page of the bootstrap."""

from __future__ import annotations

import hashlib
import http.client
import time
from dataclasses import replace
from pathlib import Path

from garret.image_bootstrap.first_stage import StepFailed, StepSkipped
from garret.image_bootstrap.nginx import Front, boot_page, front_config
from garret.image_bootstrap.steps.answers import ask, check_port_is_free
from garret.image_bootstrap.steps.node import ACME_CERTIFICATE, Node, served_certificate
from garret.image_bootstrap.steps.retry import retried

CONFIG = "/etc/nginx/nginx.conf"
CANDIDATE = "/etc/nginx/garret-candidate.conf"
SITES = "/etc/nginx/garret.d"
WWW = "/var/lib/garret/www"
APPLIED = "/-/applied"
NO_STARTS = "/usr/sbin/policy-rc.d"
MARK = "garret's bootstrap"
_APT = (
    "env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "apt-get", "-y", "-q",
    "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold",
)  # fmt: skip


def ensure_packages(node: Node) -> None:
    """Have what the image lacks of nginx, openssl and python3-venv, from the index this machine is configured for."""
    host = node.host
    if not host.is_whole_machine:
        raise StepSkipped(host.why_not_whole)
    _allow_starts(node)
    broken = host.has("dpkg") and host.run(["dpkg", "--audit"], check=False, quiet=True).strip()
    missing = _missing(node)
    if not missing and not broken:
        return
    if not host.has("apt-get"):
        raise StepFailed(f"apt-get is not on this machine, and it lacks {', '.join(missing)}; use Debian or Ubuntu")
    _forbid_starts(node)
    try:
        _install(node, missing)
    finally:
        _allow_starts(node)
    if still := _missing(node):
        raise StepFailed(f"apt-get installed {', '.join(still)}, and nothing of it can be found")


def ensure_front(node: Node) -> None:
    """Have nginx before the service: TLS, limits, and from now on a page that says how far the bootstrap is."""
    host = node.host
    if not node.has_front:
        raise StepSkipped(f"no nginx before the service: {host.why_not_whole}")
    host.write(f"{WWW}/index.html", boot_page(), 0o644)
    host.path(WWW).chmod(0o755)
    host.path(SITES).mkdir(parents=True, exist_ok=True)
    front = _front(node)
    mark = _digest(node, front_config(front))
    text = front_config(replace(front, mark=mark))
    _check_config(node, text)
    config = host.path(CONFIG)
    before = config.read_text("utf-8", "replace") if config.is_file() else ""
    running = _is_running(node)
    if running and MARK not in before:
        # The package's own site, on port 80: not what is to be put back, and perhaps on the port that is wanted.
        host.run(["systemctl", "stop", "nginx.service"], timeout_s=90)
        running = False
    if running and before == text and _in_force(node) == mark:
        return
    if not running or _listen_line(node) not in before:
        check_port_is_free(node.service_host, node.config.service_port)
    _switch_to(node, text, mark, before if running else "")


def _install(node: Node, packages: list[str]) -> None:
    host = node.host

    def mend() -> None:
        # An installation that a power cut broke off; another one at work has the lock, and is waited for below.
        host.run(["env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--configure", "-a", "--force-confold"],
                 timeout_s=900, check=False)  # fmt: skip
        # One index that cannot be read, of a repository nobody asks here, is no reason to give up.
        host.run([*_APT, "update"], timeout_s=600, check=False)

    retried(node, [*_APT, "install", "--no-install-recommends", *packages], timeout_s=900, before=mend)


def _missing(node: Node) -> list[str]:
    host = node.host
    missing = [package for package in ("nginx", "openssl") if not host.has(package)]
    if not host.environment.get("GARRET_PYTHON"):
        try:
            host.run(["python3", "-c", "import ensurepip, venv"], quiet=True)
        except StepFailed:
            missing.append("python3-venv")
    return missing


def _forbid_starts(node: Node) -> None:
    """Keep a package from starting its server with its own configuration: nginx's would open port 80 to everyone."""
    if not node.host.path(NO_STARTS).exists():
        node.host.write(NO_STARTS, f"#!/bin/sh\n# For the time of an installation by {MARK}.\nexit 101\n", 0o755)


def _allow_starts(node: Node) -> None:
    policy = node.host.path(NO_STARTS)
    if policy.is_file() and MARK in policy.read_text("utf-8", "replace"):
        policy.unlink()


def _front(node: Node) -> Front:
    host, (certificate, key) = node.host, served_certificate(node)
    vouched = certificate == host.path(ACME_CERTIFICATE)
    return Front(
        listen=_listen(node),
        inner=f"{node.inner_host}:{node.inner_port}",
        certificate=str(certificate),
        key=str(key),
        strict_transport=vouched and bool(node.config.domain),
        pid=str(host.path("/run/nginx.pid")),
        logs=str(host.path("/var/log/nginx")),
        state=str(host.path("/var/lib/nginx")),
        www=str(host.path(WWW)),
        sites=str(host.path(SITES)),
    )


def _listen(node: Node) -> str:
    address = f"[{node.service_host}]" if ":" in node.service_host else node.service_host
    return f"{address}:{node.config.service_port}"


def _listen_line(node: Node) -> str:
    return f"listen {_listen(node)} ssl"


def _check_config(node: Node, text: str) -> None:
    """Let nginx itself read the new configuration, before it takes the place of one that works."""
    host, check = node.host, ["nginx", "-t", "-q", "-c", str(node.host.path(CANDIDATE))]
    host.write(CANDIDATE, text, 0o644)
    try:
        host.run(check)
    except StepFailed as failed:
        said = [line for line in host.run(check, check=False, quiet=True).splitlines() if "[emerg]" in line]
        why = said[0].partition("[emerg] ")[2] if said else str(failed)
        raise StepFailed(f"nginx does not take its configuration: {why}") from None
    finally:
        host.path(CANDIDATE).unlink(missing_ok=True)


def _switch_to(node: Node, text: str, mark: str, before: str) -> None:
    """Put a configuration in place and see that the node answers with it; else put back the one before."""
    host = node.host
    host.write(CONFIG, text, 0o644)
    host.run(["systemctl", "enable", "nginx.service"])
    try:
        host.run(["systemctl", "reload-or-restart", "nginx.service"], timeout_s=90)
        _wait_for(node, mark)
    except StepFailed:
        if before and before != text:
            host.write(CONFIG, before, 0o644)
            host.run(["systemctl", "reload-or-restart", "nginx.service"], timeout_s=90, check=False)
        raise


def _wait_for(node: Node, mark: str) -> None:
    """Wait until the new configuration is in force: nginx takes it over a little later, or keeps the one it has."""
    deadline = time.monotonic() + node.front_timeout_s
    while (found := _in_force(node)) != mark:
        if time.monotonic() > deadline:
            why = found if " " in found else "it goes on with the configuration before"
            raise StepFailed(f"nginx does not answer as it should on {_listen(node)}: {why}. {_last_words(node)}")
        time.sleep(node.poll_s)


def _in_force(node: Node) -> str:
    """Return the mark of what nginx works with; a sentence when it does not say."""
    try:
        status, body = ask(node, APPLIED)
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    return body if status == 200 else f"HTTP {status} at {APPLIED}"


def _last_words(node: Node) -> str:
    log = node.host.path("/var/log/nginx/error.log")
    lines = log.read_text("utf-8", "replace").splitlines()[-5:] if log.is_file() else []
    return "Its last words: " + (" | ".join(lines)[-600:] or "none")


def _is_running(node: Node) -> bool:
    return node.host.run(["systemctl", "is-active", "nginx.service"], check=False, quiet=True).strip() == "active"


def _digest(node: Node, text: str) -> str:
    """Everything that nginx reads at a reload."""
    files: list[Path] = [*sorted(node.host.path(SITES).glob("*.conf")), *served_certificate(node)]
    parts = [text.encode("utf-8"), *(file.read_bytes() for file in files if file.is_file())]
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
