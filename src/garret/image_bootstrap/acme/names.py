"""What the certificate is for, and what the world must know before an authority is asked for it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

from garret.image_bootstrap.host import Host
from garret.service_runtime.metadata import DEFAULT_URL, Metadata, MetadataError

Resolve = Callable[[str, int], Sequence[str]]


def public_address(host: Host) -> str:
    """The address under which the world reaches this node; empty while it has none, or nobody says."""
    metadata = Metadata(host.environment.get("GARRET_METADATA_URL", DEFAULT_URL))
    for path in ("meta-data/eipv4", "meta-data/public-ipv4"):
        try:
            return str(ipaddress.ip_address(metadata.text(path).strip()))
        except (MetadataError, ValueError):
            continue
    return ""


def has_metadata(host: Host) -> bool:
    """Say whether there is a cloud that tells this node about itself."""
    try:
        return bool(Metadata(host.environment.get("GARRET_METADATA_URL", DEFAULT_URL)).text("meta-data/instance-id"))
    except MetadataError:
        return False


def resolve(name: str, family: int) -> Sequence[str]:
    """The addresses of a name in the DNS of this machine.

    Raises:
        OSError: it has none, or the DNS does not answer.
    """
    found = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def missing_record(domain: str, address: str, ask: Resolve = resolve) -> str:
    """What is wrong with a name's A record, with what to do; empty when it points here. An empty address is unknown."""
    wanted = f"point its A record to {address}" if address else "set its A record to the deployment's address"
    try:
        found = ask(domain, socket.AF_INET)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            return f"the DNS does not answer about {domain}; it is asked again"
        return f"{domain} has no A record; {wanted}"
    except OSError as error:
        return f"the DNS does not answer about {domain} ({error}); it is asked again"
    if address and address not in found:
        return f"{domain} points to {', '.join(found)}; {wanted}"
    return ""


def other_record(domain: str, ask: Resolve = resolve) -> str:
    """What to know about a name's AAAA record, where authorities ask first and this node is not; empty without one."""
    try:
        found = ask(domain, socket.AF_INET6)
    except OSError:
        return ""
    return (
        f"; {domain} has an AAAA record as well ({found[0]}), where authorities look first: remove it" if found else ""
    )
