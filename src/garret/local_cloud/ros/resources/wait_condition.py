"""ALIYUN::ROS::WaitConditionHandle and ALIYUN::ROS::WaitCondition: a stack that waits until a node reports."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from garret.local_cloud.ros import waitcondition
from garret.local_cloud.ros.resources.base import FailedError, ResourceType, Work, whole


class WaitConditionHandle(ResourceType):
    """A signed address that takes signals."""

    name = "ALIYUN::ROS::WaitConditionHandle"
    attributes = ("CurlCli", "WindowsCurlCli", "PowerShellCurlCli", "Headers", "URL")
    carried = frozenset({"Count", "Mode"})
    updatable = carried

    def create(self, work: Work) -> str:
        """A handle is nothing but its name in the stack; the address is computed from it."""
        return waitcondition.handle_id(work.stack_id, work.name)

    def read(self, work: Work) -> dict[str, Any]:
        """The address, and the commands that send a signal to it."""
        return waitcondition.attributes(work.cloud, work.stack_id, work.stack_name, work.name, work.region)

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Increment forgets the old signals; Full keeps them, with Count those whose number is not above it."""
        del before
        count = whole(work.properties.get("Count"), -1)
        if (work.properties.get("Mode") or "Full") == "Increment":
            waitcondition.forget(work.cloud, work.stack_id, work.name)
        elif count >= 0:
            waitcondition.forget(work.cloud, work.stack_id, work.name, above=count)

    def delete(self, work: Work) -> None:
        """Forgets the signals; the address is refused from then on."""
        waitcondition.forget(work.cloud, work.stack_id, work.name)


class WaitCondition(ResourceType):
    """Complete once its handle got Count good signals; failed at the first bad one or after Timeout seconds."""

    name = "ALIYUN::ROS::WaitCondition"
    attributes = ("Data", "ErrorData", "JoinedErrorData", "LastData", "LastErrorData", "JoinedLastErrorData")
    carried = frozenset({"Handle", "Timeout", "Count"})
    harmless = frozenset({"ShowProgressEvent"})
    updatable = frozenset({"Timeout", "Count", "ShowProgressEvent"})

    def _handle(self, work: Work) -> tuple[str, str]:
        stack_id, _, name = str(work.properties["Handle"]).partition("/")
        return stack_id, name

    def create(self, work: Work) -> str:
        """Waits for the signals."""
        if self._handle(work)[0] != work.stack_id:
            raise FailedError("StackValidationFailed", "Handle must be the Ref of a WaitConditionHandle of this stack")
        work.made(f"{work.stack_id}/{work.name}")
        self._wait(work, work.started)
        return f"{work.stack_id}/{work.name}"

    def _wait(self, work: Work, begun: datetime) -> None:
        count = whole(work.properties.get("Count"), 1)
        deadline = begun + timedelta(seconds=float(work.properties["Timeout"]))
        while True:
            signals = waitcondition.signals(work.cloud, *self._handle(work))
            for one in signals:
                if one["status"] == "FAILURE":
                    raise FailedError("WaitConditionFailure", one["reason"] or "a signal said FAILURE without a reason")
            if len(signals) >= count and all(one["status"] == "WARNING" for one in signals):
                raise FailedError("WaitConditionFailure", f"every signal was a WARNING: {signals[0]['reason']}")
            if len(signals) >= count:
                return
            if work.cloud.clock.now() >= deadline:
                text = f"{len(signals)} of {count} received within {work.properties['Timeout']} seconds"
                raise FailedError("WaitConditionTimeout", text)
            work.pause(0.5)

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Another Count waits for the signals that are missing."""
        if before.get("Count") != work.properties.get("Count"):
            self._wait(work, work.cloud.clock.now())

    def read(self, work: Work) -> dict[str, Any]:
        """Data: JSON text of a map from signal id to its data; ErrorData: the same of what was no success."""
        every = waitcondition.data(waitcondition.signals(work.cloud, *self._handle(work)))
        # What came since the last update is not told apart from what came before it.
        last = {"LastData": "Data", "LastErrorData": "ErrorData", "JoinedLastErrorData": "JoinedErrorData"}
        return every | {key: every[other] for key, other in last.items()}

    def delete(self, work: Work) -> None:
        """Nothing stays of it."""
