"""Before a machine stops: its service takes no new jobs, and what it has begun is waited for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from garret.errors import GarretError, NotReady, UsageError
from garret.ops.cloud import Cloud
from garret.ops.deployment import Deployment, flag
from garret.ops.endpoint import Endpoint, endpoint_at
from garret.ops.tell import Teller

LEASE_S = 30.0
"""For so long the service refuses jobs after it was asked last: whoever asked may be gone."""
LONGEST_S = 3600.0
ANSWER_S = 5.0
STAGE = "running work"


def drain(
    cloud: Cloud,
    deployment: Deployment,
    tell: Teller,
    stop_here: Callable[[], None] = lambda: None,
    *,
    then_stop: bool = False,
) -> bool:
    """Wait until the node has finished its jobs and executions; new jobs are refused meanwhile. Whether it had any.

    A service that does not answer has nothing that could be waited for; that is told. `then_stop`: should this machine
    fall asleep meanwhile, the node stops itself economically when it is done, if it may.

    Raises:
        NotReady: it still works after an hour.
        Cancelled: somebody asked for that; jobs are taken again.
    """
    login = deployment.login
    if login is None or not login.endpoint:
        return False
    service, began, told = endpoint_at(login), cloud.clock.monotonic(), ""
    try:
        while left := _left(service, tell, then_stop=then_stop):
            if left != told:
                tell.stage(STAGE, "running", f"{left} to finish; new jobs are refused")
                told = left
            stop_here()
            waited = cloud.clock.monotonic() - began
            if waited > LONGEST_S:
                raise NotReady(
                    f"{deployment.name} still works after {LONGEST_S / 60:.0f} minutes: {left}",
                    f"garret ops stop{flag(deployment.name)} --now   (jobs go on at the next start)",
                )
            cloud.clock.sleep(min(cloud.pause(waited), LEASE_S / 3))
    except BaseException:
        lift(deployment)
        raise
    if told:
        tell.stage(STAGE, "done", "finished")
    return bool(told)


def lift(deployment: Deployment) -> None:
    """Let the service take jobs again, if it hears this; else it does so by itself in a moment."""
    login = deployment.login
    if login is not None and login.endpoint:
        with suppress(GarretError):
            endpoint_at(login).post("/machine/drain", {"seconds": 0}, ANSWER_S)


def _left(service: Endpoint, tell: Teller, *, then_stop: bool) -> str:
    """What is still going on, in words; empty for nothing."""
    try:
        said = service.post("/machine/drain", {"seconds": LEASE_S, "then_stop": then_stop}, ANSWER_S)
    except UsageError:
        tell.stage(STAGE, "skipped", "this node's service is older, and does not say whether it works")
        return ""
    except GarretError as error:
        tell.stage(STAGE, "skipped", f"nobody says whether there is any: {error.message}")
        return ""
    return _words(said) if isinstance(said, dict) else ""


def _words(said: dict[str, Any]) -> str:
    jobs, operations = said.get("jobs"), said.get("operations")
    words = []
    if isinstance(jobs, int) and jobs:
        words.append(f"{jobs} job{'s' if jobs > 1 else ''}")
    if isinstance(operations, list):
        words += map(str, operations)
    return ", ".join(words)
