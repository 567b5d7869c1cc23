"""What a caller may settle beside the pictures: the key of a request, who is told of its end, how long it may wait."""

from __future__ import annotations

from dataclasses import dataclass

from garret.service_runtime.deliveries import COMPLETED, WEBHOOK


@dataclass(frozen=True)
class Terms:
    """`digest` is of the request as it was sent; times are in seconds, None for the service's own.

    `attached`: the job ends with the connection that asked for it, and with this process. The webhook is told of
    `webhook_events`, in the form `webhook_kind` of a dialect; `note` is what that keeps of the request for itself.
    """

    attached: bool = True
    key: str = ""
    digest: str = ""
    webhook: str = ""
    expires_in_s: float | None = None
    webhook_kind: str = WEBHOOK
    webhook_events: tuple[str, ...] = (COMPLETED,)
    note: str = ""
