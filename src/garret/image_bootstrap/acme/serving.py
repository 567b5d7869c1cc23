"""Putting a certificate before callers, and taking it away again: whole or not at all, and only if nginx takes it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.host import Host
from garret.image_bootstrap.steps.front import ensure_front
from garret.image_bootstrap.steps.node import ACME_CERTIFICATE, Node
from garret.image_bootstrap.steps.service import ensure_certificate

LINK = str(Path(ACME_CERTIFICATE).parent)
KEPT = LINK + ".d"
_LOCK = "/var/lib/garret/bootstrap.lock"
_SHORT_S = 10 * 86_400.0


@dataclass(frozen=True)
class Certificate:
    """What a certificate says of itself; times are seconds since 1970."""

    not_before: float
    not_after: float
    sha256: str
    names: tuple[str, ...]

    def is_due(self, now: float) -> bool:
        """Whether it is to be renewed: two thirds of its time are over; of one for less than ten days, the half."""
        lifetime = self.not_after - self.not_before
        return self.not_after - now < lifetime / (2 if lifetime < _SHORT_S else 3)


def read_certificate(host: Host, file: Path) -> Certificate | None:
    """The first certificate of a file; None when there is none that can be read."""
    if not file.is_file():
        return None
    show = [
        "openssl",
        "x509",
        "-in",
        str(file),
        "-noout",
        "-dates",
        "-fingerprint",
        "-sha256",
        "-ext",
        "subjectAltName",
    ]
    said = host.run(show, check=False, quiet=True)
    found = dict(re.findall(r"^(notBefore|notAfter|sha256 Fingerprint)=(.*)$", said, re.MULTILINE | re.IGNORECASE))
    values = {key.lower(): value for key, value in found.items()}
    try:
        times = [float(ssl.cert_time_to_seconds(values[key])) for key in ("notbefore", "notafter")]
        sha256 = values["sha256 fingerprint"].replace(":", "").lower()
    except (KeyError, ValueError):
        return None
    return Certificate(times[0], times[1], sha256, tuple(re.findall(r"(?:DNS|IP Address):([^,\s]+)", said)))


def served(node: Node, name: str, now: float) -> Certificate | None:
    """The trusted certificate that callers are shown, when it is for this name and has not run out."""
    found = read_certificate(node.host, node.host.path(ACME_CERTIFICATE))
    return found if found is not None and name in found.names and now < found.not_after else None


def serve(node: Node, folder: Path) -> Certificate:
    """Show callers the certificate that lies in a folder (fullchain.pem, key.pem) from now on.

    Raises:
        StepFailed: key and certificate do not go together, or nginx does not take them; then all is as before.
    """
    chain, key = folder / "fullchain.pem", folder / "key.pem"
    certificate = read_certificate(node.host, chain)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key)
    except (OSError, ssl.SSLError) as error:
        raise StepFailed(f"the certificate that came and its key do not go together: {error}") from None
    if certificate is None:
        raise StepFailed("the certificate that came cannot be read")
    kept = node.host.path(KEPT) / hashlib.sha256(chain.read_bytes()).hexdigest()[:16]
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(mode=0o700)
    for file in (chain, key):
        shutil.copyfile(file, kept / file.name)
        (kept / file.name).chmod(0o600)
    os.sync()
    with alone(node):
        _switch(node, kept)
    for other in kept.parent.iterdir():
        if other != kept:
            shutil.rmtree(other, ignore_errors=True)
    return certificate


def withdraw(node: Node) -> None:
    """Show callers the node's own certificate again, which `garret` has pinned: better than one that has run out."""
    if node.host.path(LINK).is_symlink():
        with alone(node):
            _switch(node, None)


@contextmanager
def alone(node: Node) -> Iterator[None]:
    """While no bootstrap is at work: it looks after nginx, too."""
    with node.host.path(_LOCK).open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(node.poll_s)
        yield


def _switch(node: Node, kept: Path | None) -> None:
    link = node.host.path(LINK)
    before = link.readlink() if link.is_symlink() else None
    _point(link, kept)
    try:
        apply(node)
    except StepFailed:
        _point(link, before)
        apply(node)
        raise


def apply(node: Node) -> None:
    """Have nginx show what is there now."""
    ensure_certificate(node)
    ensure_front(node)


def _point(link: Path, target: Path | None) -> None:
    """Let both files change at one moment: between two moments a certificate would have the other one's key."""
    if target is None:
        link.unlink(missing_ok=True)
        return
    fresh = link.with_name(link.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
