"""Which jobs came by this dialect, under which names, and which of them their owners have stopped."""

from __future__ import annotations

from collections import OrderedDict

_REMEMBERED = 10_000
INTERRUPTED, SKIPPED = "interrupted", "skipped"


class Tasks:
    """Names of jobs, kept in memory: after a restart nobody waits for one by its name any more.

    A caller may give a request a name of its own (`force_task_id`); without one a job's id is its name.
    """

    def __init__(self) -> None:
        self._names: OrderedDict[str, str] = OrderedDict()
        self._jobs: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._orders: dict[str, str] = {}

    def began(self, owner: str, job_id: str, name: str = "") -> None:
        """Note an accepted job; whatever its owner had stopped before is past."""
        self._names[job_id] = name or job_id
        self._jobs[owner, name or job_id] = job_id
        self._orders.pop(owner, None)
        for kept in (self._names, self._jobs):
            while len(kept) > _REMEMBERED:
                kept.popitem(last=False)

    def __contains__(self, job_id: str) -> bool:
        """Say whether a job came by this dialect."""
        return job_id in self._names

    def name_of(self, job_id: str) -> str:
        """Return the name that a job goes by."""
        return self._names.get(job_id, job_id)

    def job_of(self, owner: str, name: str) -> str:
        """Return the id of the job that a caller knows by a name, "" for none."""
        return self._jobs.get((owner, name), "")

    def stop(self, owner: str, how: str) -> None:
        """Note that a caller has stopped what runs, until the next job comes."""
        self._orders[owner] = how

    def order(self, owner: str) -> str:
        """Return how a caller has stopped what ran last, "" for not at all."""
        return self._orders.get(owner, "")
