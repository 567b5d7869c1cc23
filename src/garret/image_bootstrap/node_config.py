"""What a node is told at birth: one record, written into user-data and read by the steps. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

PATH = "/var/lib/garret/node.json"
_ALWAYS = ("bundle_wait_s",)
"""What the first stage reads, which knows no defaults."""


@dataclass(frozen=True)
class NodeConfig:
    """The node's own configuration; it holds hashes, never a secret. Sizes are bytes, times are seconds."""

    deployment: str
    region: str
    cloud: str
    bundle_sha256: str
    bundle_size: int
    service_port: int
    login: str
    password_hash: str
    token_hash: str
    service_host: str = "0.0.0.0"  # noqa: S104 - behind a security group, and only with TLS and a login
    model: str = "demo"
    model_sha256: str = ""
    model_sources: str = ""
    refiner: bool = True
    allow_private_download: bool = False
    bundle_wait_s: int = 1800
    bundle_url: str = ""
    autostop_s: int = 0
    domain: str = ""
    acme: bool = False
    acme_email: str = ""
    acme_server: str = ""
    acme_ca: bool = False  # the authority is a private one: its certificates come by themselves, too long for user-data
    bake: str = ""  # the name of the image that is being made; empty on a node that serves

    def to_json(self) -> str:
        """One compact line, keys sorted, so that the same deployment gives the same text; defaults take no room."""
        unsaid = {field.name: field.default for field in fields(self) if field.name not in _ALWAYS}
        said = {name: value for name, value in asdict(self).items() if name not in unsaid or value != unsaid[name]}
        return json.dumps(said, sort_keys=True, separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, text: str) -> NodeConfig:
        """Read what `to_json` wrote.

        Raises:
            ValueError: names the key that is missing, unknown or of the wrong type.
        """
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("node.json: not a JSON object")
        known = {field.name: field for field in fields(cls)}
        for key in values:
            if key not in known:
                raise ValueError(f"node.json: {key} is not known to this version")
        try:
            config = cls(**values)
        except TypeError as error:
            raise ValueError(f"node.json: {error}") from None
        for name, field in known.items():
            value = getattr(config, name)
            if type(value).__name__ != field.type:
                raise ValueError(f"node.json: {name} should be {field.type}, not {type(value).__name__}")
        return config
