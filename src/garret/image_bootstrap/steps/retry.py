"""Programs that talk to the network: a mirror that fails once often works a little later."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.steps.node import Node


def retried(
    node: Node,
    arguments: Sequence[str],
    timeout_s: float,
    attempts: int = 3,
    before: Callable[[], object] | None = None,
) -> None:
    """Run a program until it succeeds, `attempts` times at most; `before` is called ahead of each attempt.

    Raises:
        StepFailed: the last attempt's reason.
    """
    for attempt in range(1, attempts + 1):
        if before is not None:
            before()
        try:
            node.host.run(arguments, timeout_s=timeout_s)
            return
        except StepFailed as failed:
            if attempt == attempts:
                raise
            node.host.journal.log(f"attempt {attempt} of {attempts} failed: {failed}")
            time.sleep(node.retry_pause_s * attempt)
