"""certbot: in an environment of its own, asked for one certificate for one name with a key that is made for it."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import shutil
from pathlib import Path

from garret.image_bootstrap.acme.state import AUTHORITIES, FOLDER, WEBROOT
from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.host import Host
from garret.image_bootstrap.steps.node import Node
from garret.image_bootstrap.steps.python import LOCKS, find_python, why
from garret.image_bootstrap.steps.retry import retried

ENVIRONMENTS = "/opt/garret/acme"
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
ADDRESS_PROFILE = "shortlived"
"""What Let's Encrypt calls the only certificates that it gives for addresses: they last for six days."""
INSTALL_S = 600.0
ASK_S = 600.0
_NOISE = re.compile(
    r"^(Saving debug log|Ask for help|Some challenges|Hint:|An unexpected error|Requesting|Account reg)"
)


def ensure_client(node: Node) -> str:
    """Have certbot as acme.lock has it; returns its path.

    Raises:
        StepFailed: it cannot be installed; the reason.
    """
    host = node.host
    lock = host.path(f"{LOCKS}/acme.lock")
    folder = host.path(f"{ENVIRONMENTS}/{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}")
    certbot = folder / "bin/certbot"
    if not ((folder / ".complete").exists() and certbot.exists()):
        folder.parent.mkdir(parents=True, exist_ok=True)
        # --clear: what a broken attempt left may look whole and not be so.
        host.run([find_python(node), "-m", "venv", "--clear", str(folder)], timeout_s=300)
        pip = [
            str(folder / "bin/python"),
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--quiet",
        ]
        pip += ["--no-cache-dir", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", str(lock)]
        started = host.journal.log_path.stat().st_size if host.journal.log_path.exists() else 0
        try:
            retried(node, pip, INSTALL_S)
        except StepFailed as failed:
            said = host.journal.log_path.read_bytes()[started:].decode("utf-8", "replace")
            raise StepFailed(f"certbot cannot be installed: {why(said) or failed}") from failed
        os.sync()  # or a power cut may keep the stamp and lose what it stands for
        (folder / ".complete").touch()
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return str(certbot)


def ask_for_certificate(node: Node, certbot: str, name: str, folder: Path) -> None:
    """Have fullchain.pem and key.pem for a name in a folder, which is new and readable by root only.

    Raises:
        StepFailed: there is none; the authority's own words, as far as there are any.
    """
    host = node.host
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    is_address = _is_address(name)
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-sha256", "-nodes", "-subj", "/"]
    names = f"subjectAltName={'IP' if is_address else 'DNS'}:{name}"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "request.pem")]
    host.run(["openssl", "req", "-new", *kind, "-addext", names, *files], quiet=True)
    (folder / "key.pem").chmod(0o600)
    webroot = host.path(WEBROOT)
    webroot.mkdir(parents=True, exist_ok=True)
    for path in (webroot.parent, webroot):
        path.chmod(0o755)
    said = host.run(_command(node, certbot, is_address, folder), timeout_s=ASK_S, check=False)
    if not (folder / "fullchain.pem").is_file():
        raise StepFailed(reason_of(said))


def reason_of(said: str) -> str:
    """The reason in certbot's output: what the authority says in detail, else the line that says most."""
    details = re.findall(r"^\s*Detail: (.+)$", said, re.MULTILINE)
    lines = [line.strip() for line in said.splitlines() if line.strip() and not _NOISE.match(line.strip())]
    lines = [line.removesuffix(" about:blank") for line in lines]
    return (details or lines[-1:] or ["certbot said nothing"])[0][:400]


def _command(node: Node, certbot: str, is_address: bool, folder: Path) -> list[str]:
    host, config = node.host, node.config
    home = host.path(FOLDER)
    server = config.acme_server or LETS_ENCRYPT
    command = [certbot, "certonly", "--non-interactive", "--agree-tos", "--server", server]
    command += ["--email", config.acme_email] if config.acme_email else ["--register-unsafely-without-email"]
    # With a request of our own there is no lineage, whose upkeep certbot does not do for each kind of certificate.
    command += ["--webroot", "--webroot-path", str(host.path(WEBROOT)), "--csr", str(folder / "request.pem")]
    command += ["--preferred-profile", ADDRESS_PROFILE] if is_address else []
    command += ["--cert-path", str(folder / "certificate.pem"), "--chain-path", str(folder / "chain.pem")]
    command += ["--fullchain-path", str(folder / "fullchain.pem"), "--no-directory-hooks"]
    for kind in ("config", "work", "logs"):
        command += [f"--{kind}-dir", str(home / kind)]
    trusted = _authorities(host, config.acme_ca)
    return ["env", f"REQUESTS_CA_BUNDLE={trusted}", *command] if trusted else command


def _authorities(host: Host, is_private: bool) -> str:
    """A file of whom to believe to be the authority: those whom this machine trusts, and the private one.

    Empty when there is none of them: then certbot believes those that it brought along.
    """
    system = host.path(SYSTEM_AUTHORITIES)
    known = system.read_text("ascii", "replace") if system.is_file() else ""
    if not is_private:
        return str(system) if known else ""
    host.write(f"{FOLDER}/authorities.pem", f"{known}\n{host.path(AUTHORITIES).read_text('ascii')}", 0o644)
    return str(host.path(f"{FOLDER}/authorities.pem"))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
