"""What a verb is handed: the cloud, the deployment, somebody to tell, and what was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from garret.errors import Cancelled

if TYPE_CHECKING:
    from garret.ops.cloud import Cloud
    from garret.ops.crash import Crash
    from garret.ops.deployment import Deployment
    from garret.ops.tell import Teller


@dataclass(frozen=True)
class Work:
    """One run of a verb; the verb returns its output as JSON values. `secrets` are on no disk."""

    cloud: Cloud
    deployment: Deployment
    tell: Teller
    crash: Crash
    parameters: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    asked_to_cancel: Callable[[], bool] = field(default=lambda: False, repr=False)

    @contextmanager
    def task(self, name: str, note: str = "") -> Iterator[None]:
        """A part of the work: told to whoever looks on, and in the record with its time.

        Verbs that tell `tell.stage(name, "running")` and `(name, "done")` themselves have it in the record as well.
        """
        began = time.monotonic()
        self.tell.stage(name, "running", note)
        try:
            yield
        except BaseException:
            self.tell.stage(name, "failed", note, time.monotonic() - began)
            raise
        self.tell.stage(name, "done", note, time.monotonic() - began)

    def stop_here(self) -> None:
        """Stop between two parts, where somebody asked for that.

        Raises:
            Cancelled: somebody did.
        """
        if self.asked_to_cancel():
            raise Cancelled("it was cancelled", "garret status")
