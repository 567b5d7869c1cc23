"""How patient a client is, and how it goes on asking."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from garret.client.errors import ClientError, Later, Unreachable, refusal
from garret.client.steps import Ask, Open, Pause, Reply, Steps


@dataclass(frozen=True)
class Manners:
    """Times in seconds: `timeout_s` of silence end one request; `retry_s` is how long it is asked again in all.

    `absent_s` is the same while nobody listens there, `silence_s` while answers are lost, and `restart_s` while
    something that was accepted is waited for. A job that shows no step for `stall_s`, or whose place in line does not
    change for `queue_s`, is given up.
    """

    timeout_s: float = 30.0
    retry_s: float = 120.0
    absent_s: float = 3.0
    silence_s: float = 10.0
    restart_s: float = 180.0
    stall_s: float = 900.0
    queue_s: float = 3600.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    clock: Callable[[], float] = time.monotonic

    def answer(self, step: Ask | Open, *, repeatable: bool, silence_s: float | None = None) -> Steps[Reply]:
        """Ask, or open, until there is an answer other than `later`, and no longer than is patient.

        A request that is not `repeatable` is never sent twice when it may have arrived; a refusal with `later` says
        that nothing came of it.

        Raises:
            Refused, Unreachable, Untrusted.
        """
        ask = step.ask if isinstance(step, Open) else step
        since, tries = self.clock(), 0
        while True:
            try:
                reply: Reply = yield step
                if reply.status < 300:
                    return reply
                raise refusal(ask.method, ask.path, reply)
            except Later as error:
                if error.status not in _NOTHING_CAME and not repeatable:
                    raise
                trouble: ClientError = error
                pause, patience = error.retry_after, self.retry_s
            except Unreachable as error:
                if error.sent and not repeatable:
                    raise
                usual_s = self.silence_s if error.sent else self.absent_s
                pause, patience = None, usual_s if silence_s is None else silence_s
                trouble = error
            tries += 1
            wait = pause if pause is not None else min(0.25 * 2**tries, 10.0)
            # Many clients that were sent away at once shall not all be back at once.
            wait += random.uniform(0, 0.1 * wait + 0.05)  # noqa: S311 - no secret
            if self.clock() - since + wait > patience:
                raise trouble
            yield Pause(wait)


_NOTHING_CAME = (429, 503)
