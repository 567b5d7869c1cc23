"""Send again what may be sent again: by the class of the answer, jittered, bounded in tries and in time, and told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from garret.errors import CloudError

if TYPE_CHECKING:
    from garret.ops.roles import Clock

Reply = TypeVar("Reply")

ATTEMPTS, PATIENT_ATTEMPTS = 5, 11
"""How often one call is sent at most: after an outage, and when the cloud only asks for patience."""
OUTAGE_S, PATIENCE_S = 60.0, 120.0
"""How long one call is tried at most, pauses and answers together, in seconds."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0
NO_ANSWER = "NoAnswer"
TELL_AFTER_S = 3.0
"""Shorter waits are nobody's business."""


def silent(_line: str) -> None:
    """Tell nobody."""


def with_retries(
    action: str, send: Callable[[], Reply], *, again: bool, clock: Clock, tell: Callable[[str], None] = silent
) -> Reply:
    """Send, and send again what may pass: always where nothing was done, else only if `again` says it does no harm.

    Raises:
        CloudError: the last answer.
    """
    started = told_at = clock.monotonic()
    pause = FIRST_PAUSE_S
    for attempt in range(1, PATIENT_ATTEMPTS + 1):
        try:
            return send()
        except Exception as raised:
            import random  # only whose call fails needs this, and the table of codes with its patterns

            from garret.ops.aliyun import failures

            if not failures.is_vendors(raised):
                raise
            error, after = failures.cloud_error(action, raised), failures.retry_after_s(raised)
            if error.code == failures.CLOCK_IS_OFF and attempt == 1:
                continue  # a machine that slept between signing and sending is on time now
            patient = failures.meaning_of(action, error.code, None).again == "always"
            limit, time_s = (PATIENT_ATTEMPTS, PATIENCE_S) if patient else (ATTEMPTS, OUTAGE_S)
            # Jitter, so that many callers that were throttled together do not come back together.
            wait = max(pause * random.uniform(0.5, 1.0), after)  # noqa: S311 - not a secret
            spent = clock.monotonic() - started
            if not (error.retryable and (again or patient)) or attempt >= limit or spent + wait > time_s:
                raise error from raised
        if clock.monotonic() + wait - told_at > TELL_AFTER_S:
            tell(f"waiting for the cloud: {action}: {_reason(error)}; try {attempt + 1} of {limit} in {wait:.0f} s")
            told_at = clock.monotonic() + wait
        clock.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE_S)
    raise AssertionError("unreachable")


def _reason(error: CloudError) -> str:
    """The cloud's code, or why there was none: our message ends with it."""
    return error.message.rpartition(": ")[2] if error.code == NO_ANSWER else error.code
