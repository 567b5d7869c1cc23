"""Telling systemd that the event loop still turns: a service that hangs would neither answer nor stop its node.

Source: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html (WATCHDOG=1).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress

ALIVE = b"WATCHDOG=1"


async def tell_watchdog(environment: Mapping[str, str]) -> None:
    """Say so three times in each of its periods, until this is cancelled; returns where nobody asks."""
    address, period = environment.get("NOTIFY_SOCKET", ""), environment.get("WATCHDOG_USEC", "")
    if not address or not period.isdigit():
        return
    # A leading @ means the abstract namespace, whose names begin with a zero byte.
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.setblocking(False)
        while True:
            with suppress(OSError):  # systemd is busy; the next one comes
                end.sendto(ALIVE, name)
            await asyncio.sleep(int(period) / 3e6)
