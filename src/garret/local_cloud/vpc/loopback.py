"""Public addresses: on Linux each is a loopback address of its own (127.88.x.y), elsewhere all are 127.0.0.1."""

from __future__ import annotations

import secrets
import sys

from garret.local_cloud.core import Cloud


def free_address(cloud: Cloud) -> str:
    """An address that nobody of this cloud has."""
    if not sys.platform.startswith("linux"):
        return "127.0.0.1"
    used = {body["IpAddress"] for body in cloud.store.find("eip")}
    used |= {body.get("PublicIp", "") for body in cloud.store.find("instance")}
    while True:
        # By chance, so that the clouds of two homes on one machine hardly ever pick the same.
        address = f"127.88.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
        if address not in used:
            return address
