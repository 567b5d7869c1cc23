"""Bring the runtime onto a node: pieces by Cloud Assistant, any of them twice without harm."""

from __future__ import annotations

from collections.abc import Callable

from garret.errors import CloudError, NodeFailed
from garret.image_bootstrap.bundle import Bundle, chunks
from garret.ops.cloud import Assistant

INCOMING = "/var/lib/garret/incoming"


def deliver(assistant: Assistant, instance_id: str, bundle: Bundle, told: Callable[[int], None]) -> None:
    """Send every piece; `told` hears how many bytes have arrived.

    Raises:
        CloudError, NodeFailed: a piece did not arrive; sending all again later is safe.
    """
    arrived = 0
    for name, piece in chunks(bundle):
        assistant.send_file(instance_id, f"{INCOMING}/{name}", piece)
        arrived += len(piece)
        told(arrived)


def is_too_early(error: CloudError | NodeFailed) -> bool:
    """Say whether a refusal means only that the node or its agent is not up yet."""
    if isinstance(error, NodeFailed):
        return True
    early = ("InvalidInstance.NotMatch", "ClientNotRunning", "InvalidInstanceStatus", "IncorrectInstanceStatus")
    return error.retryable or error.code.startswith(early)
