"""ALIYUN::ROS::WaitConditionHandle and ALIYUN::ROS::WaitCondition: a stack that waits until a node reports."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from garret.local_cloud.ros import waitcondition
from garret.local_cloud.ros.resources.base import FailedError, Property, ResourceType, Work


class WaitConditionHandle(ResourceType):
    """A signed address that takes signals."""

    name = "ALIYUN::ROS::WaitConditionHandle"
    attributes = ("CurlCli", "WindowsCurlCli", "PowerShellCurlCli", "Headers", "URL")
    # Both say what an update of the stack does with old signals; a stack here is only created and deleted.
    properties: ClassVar[Mapping[str, Property]] = {
        "Count": Property("number"),
        "Mode": Property(allowed=("Increment", "Full")),
    }

    def create(self, work: Work) -> str:
        """A handle is nothing but its name in the stack; the address is computed from it."""
        return waitcondition.handle_id(work.stack_id, work.name)

    def read(self, work: Work) -> dict[str, Any]:
        """The address, and the commands that send a signal to it."""
        return waitcondition.attributes(work.cloud, work.stack_id, work.stack_name, work.name, work.region)

    def delete(self, work: Work) -> None:
        """Forgets the signals; the address is refused from then on."""
        waitcondition.forget(work.cloud, work.stack_id, work.name)


class WaitCondition(ResourceType):
    """Complete once its handle got Count good signals; failed at the first bad one or after Timeout seconds."""

    name = "ALIYUN::ROS::WaitCondition"
    attributes = ("Data", "ErrorData", "JoinedErrorData")
    properties: ClassVar[Mapping[str, Property]] = {
        "Handle": Property(required=True),
        "Timeout": Property("number", required=True, minimum=1, maximum=43_200),
        "Count": Property("number", minimum=1),
        "ShowProgressEvent": Property(allowed=("EnabledIfCreateStack", "Disabled", "Enabled")),
    }

    def _handle(self, work: Work) -> tuple[str, str]:
        stack_id, _, name = str(work.properties["Handle"]).partition("/")
        return stack_id, name

    def create(self, work: Work) -> str:
        """Waits for the signals."""
        if self._handle(work)[0] != work.stack_id:
            raise FailedError("StackValidationFailed", "Handle must be the Ref of a WaitConditionHandle of this stack")
        count = int(float(work.properties.get("Count") or 1))
        deadline = work.started + timedelta(seconds=float(work.properties["Timeout"]))
        work.made(f"{work.stack_id}/{work.name}")
        while True:
            signals = waitcondition.signals(work.cloud, *self._handle(work))
            for one in signals:
                if one["status"] == "FAILURE":
                    raise FailedError("WaitConditionFailure", one["reason"] or "a signal said FAILURE without a reason")
            if len(signals) >= count and all(one["status"] == "WARNING" for one in signals):
                raise FailedError("WaitConditionFailure", f"every signal was a WARNING: {signals[0]['reason']}")
            if len(signals) >= count:
                return work.physical_id
            if work.cloud.clock.now() >= deadline:
                text = f"{len(signals)} of {count} received within {work.properties['Timeout']} seconds"
                raise FailedError("WaitConditionTimeout", text)
            work.pause(0.5)

    def read(self, work: Work) -> dict[str, Any]:
        """Data: JSON text of a map from signal id to its data; ErrorData: the same of what was no success."""
        return waitcondition.data(waitcondition.signals(work.cloud, *self._handle(work)))

    def delete(self, work: Work) -> None:
        """Nothing stays of it."""
