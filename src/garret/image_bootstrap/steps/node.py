"""What every step is given: the machine, what is wanted of it, and the facts found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from garret.image_bootstrap.host import Host
from garret.image_bootstrap.node_config import NodeConfig

MODEL_FOLDERS = ("/home/models/Stable-diffusion", "/home/models/Lora", "/home/models/VAE")
SERVICE_USER = "garret"
SERVICE_STATE = "/var/lib/garret/service"
SERVICE_ENV = "/etc/garret/service.env"
CERTIFICATE = "/etc/garret/tls/certificate.pem"
KEY = "/etc/garret/tls/key.pem"
BUNDLE = "/opt/garret/current"


@dataclass
class Node:
    """One run of the steps over one machine; `facts` are reported with the signal."""

    host: Host
    config: NodeConfig
    facts: dict[str, Any] = field(default_factory=dict)
    service_host: str = ""
    has_tls: bool = False
    answer_timeout_s: float = 900.0
    address_timeout_s: float = 60.0
    retry_pause_s: float = 10.0
    poll_s: float = 0.1
