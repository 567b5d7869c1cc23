"""ALIYUN::ROS::Sleep: a pause in the making, changing or deleting of a stack."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from garret.local_cloud.ros import records
from garret.local_cloud.ros.resources.base import ResourceType, Work


class Sleep(ResourceType):
    """Complete once its seconds are over."""

    name = "ALIYUN::ROS::Sleep"
    attributes = ()
    carried = frozenset({"CreateDuration", "UpdateDuration", "UpdateRollbackDuration", "DeleteDuration", "Triggers"})
    updatable = carried
    patience_s = 1860.0  # the longest DeleteDuration, and a minute

    def create(self, work: Work) -> str:
        """Waits, counted from the first attempt."""
        physical_id = f"{work.stack_id}/{work.name}"
        work.made(physical_id)
        self._wait(work, "CreateDuration", work.started)
        return physical_id

    def _wait(self, work: Work, key: str, begun: datetime) -> None:
        until = begun + timedelta(seconds=float(work.properties.get(key) or 0))
        while (left := (until - work.cloud.clock.now()).total_seconds()) > 0:
            work.pause(min(left, 1.0))

    def read(self, work: Work) -> dict[str, Any]:  # noqa: ARG002 - there is nothing to read
        """It has no attributes."""
        return {}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Waits again when the triggers are others, or have come back in a rollback."""
        if before.get("Triggers") == work.properties.get("Triggers"):
            return
        stack = work.cloud.store.get(records.STACK, work.stack_id) or {"status": ""}
        rolling_back = "ROLLBACK" in stack["status"]
        self._wait(work, "UpdateRollbackDuration" if rolling_back else "UpdateDuration", work.cloud.clock.now())

    def delete(self, work: Work) -> None:
        """Waits before it is gone."""
        self._wait(work, "DeleteDuration", work.cloud.clock.now())
