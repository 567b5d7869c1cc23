"""Steps about the service: its certificate, settings and model, its unit, and that it answers."""

from __future__ import annotations

import errno
import hashlib
import http.client
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from garret.image_bootstrap.first_stage import StepFailed, StepSkipped
from garret.image_bootstrap.host import Host
from garret.image_bootstrap.steps.node import (
    BUNDLE,
    CERTIFICATE,
    KEY,
    SERVICE_ENV,
    SERVICE_STATE,
    SERVICE_USER,
    Node,
)
from garret.service_runtime.settings import ServiceSettings, write_env_file

UNIT = "/etc/systemd/system/garret.service"
APPLIED = "/var/lib/garret/service.applied"
CONFIGS = "/usr/share/garret/configs"
DEMO = "/usr/share/garret/demo-model"


def ensure_address(node: Node) -> None:
    """Know the address to listen on: the node's public one under the process driver, every one behind TLS elsewhere."""
    host, wanted = node.host, node.config.service_host
    if host.driver == "process":
        file, deadline = host.path("/run/garret/address"), time.monotonic() + node.address_timeout_s
        while not (file.is_file() and file.read_text("utf-8").strip()):
            if time.monotonic() > deadline:
                break
            time.sleep(node.poll_s)
        known = file.read_text("utf-8").strip() if file.is_file() else ""
        wanted = known or host.environment.get("GARRET_SERVICE_HOST", "127.0.0.1")
    node.service_host = wanted
    node.has_tls = not ipaddress.ip_address(wanted).is_loopback
    node.facts["service"] = {
        "host": wanted,
        "port": node.config.service_port,
        "scheme": "https" if node.has_tls else "http",
    }


def ensure_certificate(node: Node) -> None:
    """Have a key and a self-signed certificate of this node's own; the operator pins its SHA-256."""
    if not node.has_tls:
        raise StepSkipped(f"{node.service_host} is a loopback address: nobody else is on that wire")
    host, certificate, key = node.host, node.host.path(CERTIFICATE), node.host.path(KEY)
    if not (certificate.is_file() and key.is_file()):
        certificate.parent.mkdir(parents=True, exist_ok=True)
        fresh_key, fresh = key.with_name("key.new"), certificate.with_name("certificate.new")
        name = f"garret-{node.config.deployment}"
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-sha256", "-nodes", "-days", "825"]
        names = [own for own in (node.config.domain, name) if own]
        about = ["-subj", f"/CN={name}", "-addext", "subjectAltName=" + ",".join(f"DNS:{own}" for own in names)]
        host.run(["openssl", "req", "-x509", *kind, *about, "-keyout", str(fresh_key), "-out", str(fresh)])
        fresh_key.chmod(0o640)
        _give_to_service(host, fresh_key)
        fresh_key.replace(key)
        fresh.replace(certificate)
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text("ascii"))
    node.facts["tls_sha256"] = hashlib.sha256(der).hexdigest()


def ensure_service_settings(node: Node) -> None:
    """Have the service's settings as systemd reads them; they hold hashes of the login, never the login itself."""
    host, config = node.host, node.config
    settings = ServiceSettings(
        host=node.service_host,
        port=config.service_port,
        state_dir=host.path(SERVICE_STATE),
        models_dir=host.path("/home/models"),
        embeddings_dir=host.path("/home/embeddings"),
        config_dir=host.path(CONFIGS),
        login=config.login,
        password_hash=config.password_hash,
        token_hashes=(config.token_hash,) if config.token_hash else (),
        tls_certificate=str(host.path(CERTIFICATE)) if node.has_tls else "",
        tls_key=str(host.path(KEY)) if node.has_tls else "",
        default_checkpoint=config.model,
        deployment=config.deployment,
        allow_private_download=config.allow_private_download,
        autostop_s=float(config.autostop_s),
    )
    if host.driver == "process":
        settings = _with_doors(settings, host.environment)
    host.write(SERVICE_ENV, write_env_file(settings.to_env()), 0o640, group=SERVICE_USER)


def _with_doors(settings: ServiceSettings, environment: Mapping[str, str]) -> ServiceSettings:
    """Say where a node on the process driver finds the cloud that it is on; a real one knows by the defaults."""
    nowhere = "http://127.0.0.1:9"
    return replace(
        settings,
        metadata_url=environment.get("GARRET_METADATA_URL", nowhere),
        ecs_endpoint=environment.get("GARRET_ENDPOINT_ECS", nowhere),
    )


def ensure_model(node: Node) -> None:
    """Have the first checkpoint where models live, and its configuration where the service looks."""
    host, name = node.host, node.config.model
    if name != "demo":
        raise StepFailed(f"model {name!r} is not known to this version; deploy with the demo model")
    weights, config = _demo_model(host)
    if not weights.is_file() or not config.is_dir():
        raise StepFailed(
            f"neither the image nor the bundle brings the demo model: {DEMO} holds no demo.safetensors and config/. "
            "Copy garret's demo_model folder there and run the bootstrap again: systemctl start garret-bootstrap"
        )
    host.copy(weights, "/home/models/Stable-diffusion/demo.safetensors")
    for file in sorted(path for path in config.rglob("*") if path.is_file()):
        host.copy(file, f"{CONFIGS}/demo/{file.relative_to(config).as_posix()}")


def ensure_service(node: Node) -> None:
    """Have the service's unit enabled and running with exactly these settings and this runtime."""
    host = node.host
    if not host.has("systemctl"):
        raise StepFailed("systemctl is not on this machine; garret's service is a systemd unit")
    source = Path(__file__).resolve().parents[1] / "units" / "garret.service"
    text = source.read_text("utf-8").replace("@ROOT@", host.prefix).replace("@PYTHON@", host.python)
    if host.write(UNIT, text, 0o644):
        host.run(["systemctl", "daemon-reload"])
    settings = host.path(SERVICE_ENV).read_text("utf-8")
    parts = (text, settings, str(host.path(BUNDLE).resolve()), str(node.facts.get("tls_sha256", "")))
    applied, stamp = hashlib.sha256("\0".join(parts).encode()).hexdigest(), host.path(APPLIED)
    running = _state(host) == "active"
    if running and stamp.is_file() and stamp.read_text("utf-8").strip() == applied:
        return
    if running:
        host.run(["systemctl", "stop", "garret.service"], timeout_s=90)
    _check_port_is_free(node)
    host.run(["systemctl", "enable", "garret.service"])
    host.run(["systemctl", "start", "garret.service"], timeout_s=90)
    host.write(APPLIED, applied + "\n", 0o644)


def ensure_answering(node: Node) -> None:
    """Wait until the service says that it can take work."""
    where, started = f"{node.service_host}:{node.config.service_port}", time.monotonic()
    last, down_since, asked = "nothing yet", 0.0, 0.0
    while time.monotonic() - started < node.answer_timeout_s:
        try:
            status, body = _healthz(node)
            if status == 200 and json.loads(body).get("status") == "ok":
                return
            last = f"HTTP {status}: {body[:120]}"
        except (OSError, ValueError, http.client.HTTPException) as error:
            last = f"{type(error).__name__}: {error}"
            if time.monotonic() - asked > 1:
                asked = time.monotonic()
                state = _state(node.host)
                # A unit between two attempts is "activating"; one that stays down has given up.
                down_since = (down_since or asked) if state in ("failed", "inactive") else 0.0
                if down_since and asked - down_since > 2:
                    reason = f"the service stopped ({state}) before it answered on {where}. {_last_words(node.host)}"
                    raise StepFailed(reason) from None
        time.sleep(node.poll_s)
    reason = f"no answer on {where}/healthz within {node.answer_timeout_s:g} s; last: {last}. {_last_words(node.host)}"
    raise StepFailed(reason)


def _state(host: Host) -> str:
    return host.run(["systemctl", "is-active", "garret.service"], check=False, quiet=True).strip()


def _demo_model(host: Host) -> tuple[Path, Path]:
    """Return the demo model's weights and configuration: the image's own, else those that came in the bundle."""
    folder = host.path(DEMO)
    if not (folder / "demo.safetensors").is_file():
        folder = host.path(f"{BUNDLE}/garret/demo_model")
    return folder / "demo.safetensors", folder / "config"


def _check_port_is_free(node: Node) -> None:
    """Find out here, where there are words for it, what would make the service die at its start."""
    address, port = node.service_host, node.config.service_port
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StepFailed(
                    f"{address}:{port} is already in use on this machine; "
                    "stop the program that listens there, or choose another --port"
                ) from None
            if error.errno == errno.EACCES:
                raise StepFailed(f"{address}:{port} needs root; choose a --port above 1023") from None
            raise StepFailed(f"{address}:{port} cannot be listened on: {error.strerror}") from None


def _healthz(node: Node) -> tuple[int, str]:
    address = node.service_host
    if ipaddress.ip_address(address).is_unspecified:
        address = "127.0.0.1"
    connection: http.client.HTTPConnection
    if node.has_tls:
        # Self-signed: who answers is known by the certificate itself, not by who vouches for it.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secure = http.client.HTTPSConnection(address, node.config.service_port, timeout=5, context=context)
        secure.connect()
        shown = hashlib.sha256(secure.sock.getpeercert(binary_form=True) or b"").hexdigest()
        if shown != node.facts["tls_sha256"]:
            secure.close()
            raise OSError("somebody answers with another certificate")
        connection = secure
    else:
        connection = http.client.HTTPConnection(address, node.config.service_port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.status, answer.read(65_536).decode("utf-8", "replace")
    finally:
        connection.close()


def _last_words(host: Host) -> str:
    log = host.path("/var/log/garret.service.log")
    if log.is_file():  # the process driver has no journal of its own
        lines = log.read_text("utf-8", "replace").splitlines()[-15:]
    elif host.has("journalctl"):
        journal = ["journalctl", "-u", "garret.service", "-n", "15", "--no-pager", "-o", "cat"]
        lines = host.run(journal, check=False, quiet=True).splitlines()
    else:
        lines = []
    return "Its last words: " + (" | ".join(line for line in lines if line.strip())[-600:] or "none")


def _give_to_service(host: Host, path: Path) -> None:
    if host.is_whole_machine:
        import shutil

        shutil.chown(path, "root", SERVICE_USER)
