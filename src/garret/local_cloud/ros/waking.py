"""One bell per cloud: whoever waits for something in a stack sleeps here until anything at all happens."""

import threading

from garret.local_cloud.core import Cloud

_MAKING = threading.Lock()


class Wake:
    """A condition variable without a message: those who wake look for themselves."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def everybody(self) -> None:
        """Something happened."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def ticket(self) -> int:
        """Taken before looking, it lets `wait` notice what happens between the look and the sleep."""
        with self._condition:
            return self._count

    def wait(self, seconds: float, ticket: int | None = None) -> None:
        """Sleeps until something happens (or did since the ticket), at most `seconds`."""
        with self._condition:
            since = self._count if ticket is None else ticket
            self._condition.wait_for(lambda: self._count != since, seconds)


def wake_of(cloud: Cloud) -> Wake:
    """The cloud's bell."""
    with _MAKING:
        found = cloud.extras.setdefault("ros.wake", Wake())
    assert isinstance(found, Wake)  # noqa: S101 - nobody else writes this key
    return found
