"""An accepted job as it is written down: what was asked, how far it is, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from garret.service_runtime.deliveries import COMPLETED, WEBHOOK
from garret.service_runtime.request import ImageRequest

WAITING, RUNNING, SUCCESS, FAILED, CANCELLED = "Queued", "Running", "Success", "Failed", "Cancelled"
EXPIRED = "Expired"
OPEN = (WAITING, RUNNING)
STATES = (*OPEN, SUCCESS, FAILED, CANCELLED, EXPIRED)


@dataclass(frozen=True)
class Kept:
    """One finished picture: a whole file of this name in the results folder; `size` in bytes."""

    name: str
    media_type: str = "image/png"
    size: int = 0
    infotext: str = ""


@dataclass(frozen=True)
class MadeWith:
    """What the pictures of a finished job were made with, and in how many seconds."""

    model: str = ""
    model_sha256: str = ""
    seconds: float = 0.0
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One accepted request; times are seconds since 1970.

    `pictures` are by their number; those of a job that is not over are already there to be seen. `expires_at` is when
    it is given up if no worker has begun it; `removed` says that its pictures are not kept any more. `note` is what the
    dialect that it came by keeps for itself.
    """

    id: str
    owner: str
    state: str
    request: ImageRequest
    pictures: Mapping[int, Kept] = field(default_factory=dict)
    error: dict[str, str] | None = None
    starts: int = 0
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    expires_at: float | None = None
    webhook: str = ""
    made: MadeWith = field(default_factory=MadeWith)
    removed: bool = False
    digest: str = ""
    webhook_kind: str = WEBHOOK
    webhook_events: tuple[str, ...] = (COMPLETED,)
    note: str = ""

    @property
    def is_open(self) -> bool:
        """Say whether it is not over."""
        return self.state in OPEN

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values; the place of a picture is its number, not its file's name."""
        return {
            "id": self.id,
            "owner": self.owner,
            "state": self.state,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "expires_at": self.expires_at,
            "tries": self.starts,
            "error": self.error,
            "model": {"name": self.made.model, "sha256": self.made.model_sha256} if self.made.model else None,
            "seconds": self.made.seconds or None,
            "notes": dict(self.made.notes),
            "pictures": [self._picture(number) for number in sorted(self.pictures)],
            "pictures_removed": self.removed,
            "webhook": self.webhook or None,
            "request": self.request.to_dict(),
        }

    def _picture(self, number: int) -> dict[str, Any]:
        kept = self.pictures[number]
        return {
            "number": number,
            "url": f"/v1/jobs/{self.id}/pictures/{number}",
            "media_type": kept.media_type,
            "size": kept.size,
            "seed": self.request.seed_of(number),
            "infotext": kept.infotext,
        }
