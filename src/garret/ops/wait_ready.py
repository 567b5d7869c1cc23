"""A deployment is ready when it has made a picture, not before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from garret.errors import NotReady
from garret.ops.endpoint import Endpoint
from garret.ops.journal import write_atomic
from garret.ops.tell import Teller

if TYPE_CHECKING:
    from garret.ops.roles import Clock

PROMPT = "a red circle on a blue background"
SEED = 1
READY_S = 900.0
PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


def wait_ready(endpoint: Endpoint, picture: Path, clock: Clock, tell: Teller, deadline_s: float) -> Path:
    """Ask for the picture until it is made, and write it.

    Raises:
        NotReady: no picture within `deadline_s` seconds; says what the service answered last.
    """
    started, pause, told = clock.monotonic(), PAUSE_S, False
    while True:
        asked = clock.monotonic()
        try:
            made = endpoint.pictures({"prompt": PROMPT, "seed": SEED})[0]
        except NotReady:
            if clock.monotonic() - started + pause > deadline_s:
                raise
            if not told:
                tell.stage("a picture", "running", "waiting for the service")
                told = True
        else:
            picture.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(picture, made, 0o644)
            tell.stage("a picture", "done", str(picture), clock.monotonic() - asked)
            return picture
        clock.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_S)
