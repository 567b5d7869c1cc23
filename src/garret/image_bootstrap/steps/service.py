"""Steps about the service: its certificate, settings and model, its unit, and that it answers."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import re
import ssl
import time
from dataclasses import replace
from pathlib import Path

from garret.image_bootstrap.acme.state import FILE as CERTIFICATE_STATE
from garret.image_bootstrap.first_stage import LOCAL_DRIVERS, StepFailed, StepSkipped
from garret.image_bootstrap.host import Host
from garret.image_bootstrap.steps.answers import ask_readyz, check_port_is_free
from garret.image_bootstrap.steps.models import CONFIGS
from garret.image_bootstrap.steps.node import (
    BUNDLE,
    CERTIFICATE,
    KEY,
    LOGIN_FILE,
    SERVICE_ENV,
    SERVICE_STATE,
    SERVICE_USER,
    Node,
    served_certificate,
)
from garret.image_bootstrap.steps.token import node_token
from garret.service_runtime.model_sources import default_checkpoint
from garret.service_runtime.passwords import hash_token
from garret.service_runtime.settings import ServiceSettings, write_env_file

UNIT = "/etc/systemd/system/garret.service"
WATCHMAN = "/etc/systemd/system/garret-watchman.service"
APPLIED = "/var/lib/garret/service.applied"
_PEM_END = "-----END CERTIFICATE-----"
# For about ten seconds the node looks for the address that the cloud is giving it.
_LOOKS = 100


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
        about = ["-subj", f"/CN={name}", "-addext", "subjectAltName=" + ",".join(_places(node, name))]
        host.run(["openssl", "req", "-x509", *kind, *about, "-keyout", str(fresh_key), "-out", str(fresh)])
        fresh_key.replace(key)
        fresh.replace(certificate)
    # nginx's master process is root, and without a front the service is the one who made it.
    if key.stat().st_mode & 0o7777 != 0o600:
        key.chmod(0o600)
    shown = served_certificate(node)[0].read_text("ascii")
    # The first one in the file is the node's own; what follows vouches for it.
    der = ssl.PEM_cert_to_DER_cert(shown.partition(_PEM_END)[0] + _PEM_END)
    node.facts["tls_sha256"] = hashlib.sha256(der).hexdigest()


def _places(node: Node, name: str) -> list[str]:
    """Return what the certificate is for: names, and the address where the world finds this node, if it has one."""
    # Only here, since a node without TLS may have a bundle without it.
    from garret.image_bootstrap.acme.names import has_metadata, public_address

    places = [f"DNS:{own}" for own in (node.config.domain, name) if own]
    for _ in range(_LOOKS if has_metadata(node.host) else 0):
        # The cloud gives the address to the instance while this runs.
        if address := public_address(node.host):
            return [*places, f"IP:{address}"]
        time.sleep(node.poll_s)
    return places


def ensure_service_settings(node: Node) -> None:
    """Have the service's settings as systemd reads them; they hold hashes of the login, never the login itself."""
    host, config = node.host, node.config
    speaks_tls = node.has_tls and not node.has_front
    settings = ServiceSettings(
        host=node.inner_host,
        port=node.inner_port,
        trusted_proxy=node.has_front,
        page="early",
        state_dir=host.path(SERVICE_STATE),
        models_dir=host.path("/home/models"),
        embeddings_dir=host.path("/home/embeddings"),
        extensions_dir=host.path("/home/extensions"),
        config_dir=host.path(CONFIGS),
        login=config.login,
        password_hash=config.password_hash,
        token_hashes=tuple(filter(None, [config.token_hash])),
        node_token_hash=hash_token(node_token(host)),
        login_file=str(host.path(LOGIN_FILE)),
        tls_certificate=str(host.path(CERTIFICATE)) if speaks_tls else "",
        tls_key=str(host.path(KEY)) if speaks_tls else "",
        default_checkpoint=default_checkpoint(config.model),
        deployment=config.deployment,
        allow_private_download=config.allow_private_download,
        certificate_state=str(host.path(CERTIFICATE_STATE)) if config.acme and node.has_front else "",
        autostop_s=float(config.autostop_s),
    )
    settings = _with_doors(settings, host)
    host.write(SERVICE_ENV, write_env_file(settings.to_env()), 0o640, group=SERVICE_USER)


def _with_doors(settings: ServiceSettings, host: Host) -> ServiceSettings:
    """Say where a node of the local cloud finds the cloud that it is on; a real one knows by the defaults."""
    if host.driver not in LOCAL_DRIVERS:
        return settings
    nowhere = "http://127.0.0.1:9"
    # A node with a network of its own has the metadata where every instance has it.
    metadata = nowhere if host.driver == "process" else settings.metadata_url
    return replace(
        settings,
        metadata_url=host.environment.get("GARRET_METADATA_URL", metadata),
        ecs_endpoint=host.environment.get("GARRET_ENDPOINT_ECS", nowhere),
    )


def ensure_service(node: Node) -> None:
    """Have the service's unit enabled and running with exactly these settings and this runtime."""
    host = node.host
    if not host.has("systemctl"):
        raise StepFailed("systemctl is not on this machine; garret's service is a systemd unit")
    watchman, text = (_unit(host, name) for name in ("garret-watchman.service", "garret.service"))
    fresh = host.write(WATCHMAN, watchman, 0o644)
    if host.write(UNIT, text, 0o644) or fresh:
        host.run(["systemctl", "daemon-reload"])
    settings = host.path(SERVICE_ENV).read_text("utf-8")
    certificate = "" if node.has_front else str(node.facts.get("tls_sha256", ""))
    parts = (text, settings, str(host.path(BUNDLE).resolve()), certificate)
    applied, stamp = hashlib.sha256("\0".join(parts).encode()).hexdigest(), host.path(APPLIED)
    running = _state(host) == "active"
    if running and stamp.is_file() and stamp.read_text("utf-8").strip() == applied:
        return
    if running:
        host.run(["systemctl", "stop", "garret.service"], timeout_s=90)
    check_port_is_free(node.inner_host, node.inner_port)
    host.run(["systemctl", "enable", "garret.service"])
    host.run(["systemctl", "start", "garret.service"], timeout_s=90)
    host.write(APPLIED, applied + "\n", 0o644)


def _unit(host: Host, name: str) -> str:
    source = Path(__file__).resolve().parents[1] / "units" / name
    text = source.read_text("utf-8").replace("@ROOT@", host.prefix).replace("@PYTHON@", host.python)
    return text.replace("@MEMORY_MAX@", memory_max(host))


def ensure_answering(node: Node) -> None:
    """Wait until the service says that it can take work."""
    where, started = f"{node.service_host}:{node.config.service_port}", time.monotonic()
    last, down_since, asked = "nothing yet", 0.0, 0.0
    while time.monotonic() - started < node.answer_timeout_s:
        try:
            status, body = ask_readyz(node)
            if status == 200 and json.loads(body).get("status") in ("ready", "ok"):
                return
            last = f"HTTP {status}: {body[:120]}"
        except (OSError, ValueError, http.client.HTTPException) as error:
            last = f"{type(error).__name__}: {error}"
        # Also when there is an answer: the front has one while the service is down.
        if time.monotonic() - asked > 1:
            asked = time.monotonic()
            state = _state(node.host)
            # A unit between two attempts is "activating"; one that stays down has given up.
            down_since = (down_since or asked) if state in ("failed", "inactive") else 0.0
            if down_since and asked - down_since > 2:
                reason = f"the service stopped ({state}) before it answered on {where}. {_last_words(node.host)}"
                raise StepFailed(reason)
        time.sleep(node.poll_s)
    reason = f"no answer on {where}/readyz within {node.answer_timeout_s:g} s; last: {last}. {_last_words(node.host)}"
    raise StepFailed(reason)


def memory_max(host: Host) -> str:
    """Return the service's share of the memory in bytes: all but a tenth, which is at least 0.5 and at most 4 GiB."""
    try:
        found = re.search(r"^MemTotal:\s+(\d+) kB$", host.path("/proc/meminfo").read_text("ascii"), re.MULTILINE)
    except OSError:
        found = None
    if found is None:
        return "infinity"
    total = int(found[1]) * 1024
    return str(total - min(max(total // 10, 512 << 20), 4 << 30, total // 2))


def _state(host: Host) -> str:
    return host.run(["systemctl", "is-active", "garret.service"], check=False, quiet=True).strip()


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
