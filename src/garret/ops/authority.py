"""Who may vouch for a service beside the certificate that its node reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Authority:
    """A certificate of this machine's trusted authorities, or of those in `ca` (PEM), is taken too: for `name` only.

    Without a name it is for the address that is called.
    """

    name: str = ""
    ca: str = ""


def authority_of(spec: Mapping[str, Any]) -> Authority | None:
    """Who may vouch for a deployment, by its spec as the journal has it; None when no authority was asked for."""
    if not spec.get("acme"):
        return None
    return Authority(str(spec.get("domain") or ""), str(spec.get("acme_ca") or ""))
