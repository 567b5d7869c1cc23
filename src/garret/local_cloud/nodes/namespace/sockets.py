"""Sockets that live in another network namespace than this process."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from garret.local_cloud.nodes.namespace import kernel

RUN = Path("/run/netns")
T = TypeVar("T")


def inside(netns: str, work: Callable[[], T]) -> T:
    """Do something in a network namespace: on a thread of its own, whose change of place ends with it."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            handle = os.open(RUN / netns, os.O_RDONLY | os.O_CLOEXEC)
            try:
                kernel.enter(handle, kernel.NEW_NETWORK)
            finally:
                os.close(handle)
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
            errors.append(error)

    thread = threading.Thread(target=run, name=f"in {netns}")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def listener(netns: str, address: str, port: int) -> socket.socket:
    """A TCP socket that listens in the namespace."""

    def make() -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((address, port))
        one.listen(128)
        return one

    return inside(netns, make)


def datagrams(netns: str, address: str, port: int) -> socket.socket:
    """A UDP socket of the namespace, with leave to broadcast; it does not block."""

    def make() -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        one.bind((address, port))
        one.setblocking(False)
        return one

    return inside(netns, make)


def caller(netns: str, source: str) -> socket.socket:
    """A TCP socket that will connect in the namespace, from this address of it; it does not block."""

    def make() -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if source:
            one.bind((source, 0))
        one.setblocking(False)
        return one

    return inside(netns, make)
