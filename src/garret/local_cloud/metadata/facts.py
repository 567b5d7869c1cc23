"""What nobody stores of an instance, for it follows from its id and its switch: interface, serial number, gateway."""

from __future__ import annotations

import hashlib
import ipaddress
import uuid

VENDOR_PREFIX = "00:16:3e"  # what the vendor's interfaces begin with


def mac_of(instance_id: str) -> str:
    """The address of an instance's only interface; the same for its whole life."""
    digest = hashlib.sha256(instance_id.encode()).hexdigest()
    return ":".join((VENDOR_PREFIX, digest[:2], digest[2:4], digest[4:6]))


def interface_of(instance_id: str) -> str:
    """The id of an instance's only interface."""
    return "eni-" + instance_id.partition("-")[2]


def serial_number(instance_id: str) -> str:
    """What the machine's firmware and its metadata call its serial number, a UUID."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"garret:instance:{instance_id}"))


def gateway_of(block: str) -> str:
    """The gateway of a switch with this block of addresses: the third last, as on the vendor's cloud."""
    return str(ipaddress.IPv4Network(block).broadcast_address - 2)


def netmask_of(block: str) -> str:
    """The mask of a switch with this block of addresses, in four numbers."""
    return str(ipaddress.IPv4Network(block).netmask)
