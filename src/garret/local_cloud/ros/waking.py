"""One bell per cloud: whoever waits for something in a stack sleeps here until anything at all happens."""

import threading

from garret.local_cloud.core import Cloud

_MAKING = threading.Lock()


class Wake:
    """A condition variable without a message: those who wake look for themselves."""

    def __init__(self) -> None:
        self._condition = threading.Condition()

    def everybody(self) -> None:
        """Something happened."""
        with self._condition:
            self._condition.notify_all()

    def wait(self, seconds: float) -> None:
        """Sleeps until something happens, at most `seconds`."""
        with self._condition:
            self._condition.wait(seconds)


def wake_of(cloud: Cloud) -> Wake:
    """The cloud's bell."""
    with _MAKING:
        found = cloud.extras.setdefault("ros.wake", Wake())
    assert isinstance(found, Wake)  # noqa: S101 - nobody else writes this key
    return found
