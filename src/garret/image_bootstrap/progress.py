"""The journal of the second stage: it bounds every step, and says in boot.json how far the node is. Stdlib only."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from garret.image_bootstrap.first_stage import Journal, StepFailed, scrubbed
from garret.image_bootstrap.steps.times import Times, times_of

BOOT_PAGE = "var/lib/garret/www/boot.json"
DETAIL_LIMIT = 160
FIRST_STAGE = ("ensure_resume", "ensure_bundle")
ENDED = ("done", "skipped")


class Interruption(BaseException):
    """A step is ended from outside; not an Exception, so that no step's own second try takes it for a failure."""


class Progress(Journal):
    """A journal that knows all steps; `supervisor` is the process that looks after this one, 0 for nobody."""

    def __init__(
        self,
        root: Path,
        steps: tuple[str, ...],
        crash_at: str = "",
        supervisor: int = 0,
        times: Callable[[str], Times] = times_of,
    ) -> None:
        super().__init__(root, crash_at)
        self._page = root / BOOT_PAGE
        self._names = (*FIRST_STAGE, *steps)
        self._supervisor, self._times = supervisor, times
        self._ended = set(FIRST_STAGE)
        self._known, self._started = _history(self.path)

    def run(self, step: str, work, *arguments) -> None:  # type: ignore[no-untyped-def]
        """Do one step within its limit."""
        try:
            super().run(step, self._bounded, self._times(step).limit_s, work, *arguments)
        except Interruption as interruption:  # it came just before or just after the work itself
            self.write(step, "failed", reason=str(interruption))
            raise StepFailed(f"{step}: {interruption}") from None

    def write(self, step: str, state: str, seconds: float = 0.0, reason: str = "") -> None:
        """Append one line, and renew the boot page."""
        super().write(step, state, seconds, reason)
        if state in ENDED:
            self._ended.add(step)
        if step in self._names:
            # Only a step that runs says how far it is; why one failed is for the operator, who asks the node itself.
            running = (seconds, scrubbed(reason)[:DETAIL_LIMIT]) if state == "running" else (0.0, "")
            self.tell("failed" if state == "failed" else "starting", step, state, *running)

    def tell(self, status: str, step: str = "", state: str = "", passed_s: float = 0.0, detail: str = "") -> None:
        """Write what the boot page shows: starting or failed, and at which step; nothing of the log, and no secret.

        Without a step all of them are done, and the page is seen only when the service is started anew.
        """
        left = [name for name in self._names if name not in self._ended]
        facts = {
            "status": status,
            "step": step,
            "state": state,
            "started": round(self._started, 1),
            "at": round(time.time(), 1),
            "steps_total": len(self._names),
            "steps_done": len(self._names) - len(left),
            "seconds_left": round(sum(self._left(name, passed_s if name == step else 0.0) for name in left), 1),
        }
        if detail:
            facts["detail"] = detail
        with suppress(OSError):
            self._replace(json.dumps(facts) + "\n")

    def expect(self, step: str, seconds: float) -> None:
        """Hear from a step itself how long it takes in all, which only it can know."""
        self._known[step] = seconds

    def _left(self, step: str, passed_s: float) -> float:
        return max(self._known.get(step, self._times(step).typical_s) - passed_s, 0.0)

    def die(self) -> None:
        """End as a power cut would: without anybody left who could tell of it."""
        if self._supervisor:
            # Or whoever sees that one gone would end this one more gently, and it could still tell.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            os.kill(self._supervisor, signal.SIGKILL)
        super().die()

    def _replace(self, text: str) -> None:
        self._page.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(dir=str(self._page.parent), prefix=".boot.")
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)
        Path(fresh).replace(self._page)

    @staticmethod
    def _bounded(limit_s: float, work, *arguments) -> None:  # type: ignore[no-untyped-def]
        try:
            with _alarm(limit_s):
                work(*arguments)
        except Interruption as interruption:
            raise StepFailed(str(interruption)) from None


@contextmanager
def _alarm(limit_s: float):  # type: ignore[no-untyped-def]
    def ring(*_: object) -> None:
        raise Interruption(f"it did not end within {limit_s:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _history(path: Path) -> tuple[dict[str, float], float]:
    """Return what each step took when it was last done here, and when this bootstrap began (seconds since 1970)."""
    known, started = {}, time.time()
    for line in path.read_text("utf-8", "replace").splitlines() if path.is_file() else []:
        with suppress(ValueError, KeyError, TypeError):  # a line that a power cut tore
            entry = json.loads(line)
            if entry["state"] in ENDED:
                known[str(entry["step"])] = float(entry["seconds"])
            elif entry["step"] == FIRST_STAGE[0]:
                started = datetime.fromisoformat(entry["at"]).timestamp()
    return known, started
