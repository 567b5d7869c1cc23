"""What every step is given: the machine, what is wanted of it, and the facts found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from garret.image_bootstrap.host import Host
from garret.image_bootstrap.node_config import NodeConfig

MODEL_FOLDERS = tuple(f"/home/models/{name}" for name in ("Stable-diffusion", "Lora", "VAE", "ESRGAN"))
SERVICE_USER = "garret"
SERVICE_STATE = "/var/lib/garret/service"
SERVICE_ENV = "/etc/garret/service.env"
LOGIN_FILE = "/etc/garret/login.json"
"""The login that `garret ops rotate-password` put in the place of the one that the node was born with."""
CERTIFICATE = "/etc/garret/tls/certificate.pem"
KEY = "/etc/garret/tls/key.pem"
ACME_CERTIFICATE = "/etc/garret/tls/acme/fullchain.pem"
ACME_KEY = "/etc/garret/tls/acme/key.pem"
BUNDLE = "/opt/garret/current"
_INNER_PORT = 7860


@dataclass
class Node:
    """One run of the steps over one machine; `facts` are reported with the signal."""

    host: Host
    config: NodeConfig
    facts: dict[str, Any] = field(default_factory=dict)
    service_host: str = ""
    has_tls: bool = False
    challenge_listen: str = "80"
    answer_timeout_s: float = 900.0
    address_timeout_s: float = 60.0
    front_timeout_s: float = 20.0
    retry_pause_s: float = 10.0
    poll_s: float = 0.1
    progress_every_s: float = 10.0

    @property
    def has_front(self) -> bool:
        """Say whether nginx stands before the service: on a whole machine, where packages can be installed."""
        return self.host.is_whole_machine

    @property
    def inner_port(self) -> int:
        """The port of loopback on which the service listens behind the front, or the public one without a front."""
        if not self.has_front:
            return self.config.service_port
        return _INNER_PORT if self.config.service_port != _INNER_PORT else _INNER_PORT + 1

    @property
    def inner_host(self) -> str:
        """The address that the service itself listens on."""
        return "127.0.0.1" if self.has_front else self.service_host

    @property
    def service_url(self) -> str:
        """Where the service itself answers to programs on this node."""
        host = f"[{self.inner_host}]" if ":" in self.inner_host else self.inner_host
        return f"{'https' if self.has_tls and not self.has_front else 'http'}://{host}:{self.inner_port}"


def served_certificate(node: Node) -> tuple[Path, Path]:
    """Return certificate and key that callers are shown: a public authority's where there is one, else the own."""
    vouched = (node.host.path(ACME_CERTIFICATE), node.host.path(ACME_KEY))
    own = (node.host.path(CERTIFICATE), node.host.path(KEY))
    return vouched if all(path.is_file() for path in vouched) else own
