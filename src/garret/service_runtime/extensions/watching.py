"""Having the service begin anew with what changed, and looking on until that is known to work, or is taken back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from garret.service_runtime.extensions.registry import Extension, Registry
from garret.service_runtime.life import RESTART, Life, look
from garret.service_runtime.renewal import PATIENCE_S
from garret.service_runtime.settings import ServiceSettings

START_S = 300.0
"""How long a start may take before it counts as one that hangs; models are loaded meanwhile."""
_DOWN_S = 30.0
_LOOK_EVERY_S = 0.1


class NotReady(Exception):
    """The service is not ready, and nothing that was changed here is the reason any more."""


def begin_anew(settings: ServiceSettings) -> Life | None:
    """Ask the running service to begin anew and return the one that was; None when none runs."""
    # What was changed may be what earlier starts died of: this one is made with all that is on.
    Registry(settings).starts.unlink(missing_ok=True)
    life = look(settings.state_dir)
    if life is not None:
        with suppress(ProcessLookupError):
            os.kill(life.pid, RESTART)
    return life


def wait_until_gone(settings: ServiceSettings, before: Life) -> None:
    """Wait until the service that was has ended its jobs and itself."""
    deadline = time.monotonic() + PATIENCE_S + _DOWN_S
    while (life := look(settings.state_dir)) is not None and life.id == before.id:
        if time.monotonic() > deadline:
            raise NotReady("the service did not begin anew, although it was asked to")
        time.sleep(_LOOK_EVERY_S)


def wait_until_ready(settings: ServiceSettings, before: Life, over: Callable[[], bool], limit_s: float) -> bool:
    """Wait until another service than the one before is ready, or something is over; False when neither came in time.

    A service that is down for long, because its supervisor gave it up, is not waited for.
    """
    started = last_seen = time.monotonic()
    while True:
        life, now = look(settings.state_dir), time.monotonic()
        last_seen = last_seen if life is None else now
        if (life is not None and life.ready and life.id != before.id) or over():
            return True
        if now - started > limit_s or now - last_seen > _DOWN_S:
            return False
        time.sleep(_LOOK_EVERY_S)


def try_with(settings: ServiceSettings, extension: Extension, limit_s: float = START_S) -> str:
    """Have the service begin anew with an extension whose record is saved as on trial; returns why not, or "".

    Raises:
        NotReady: the extension was taken back, and the service did not come up without it either.
    """
    registry = Registry(settings)

    def taken_back() -> str:
        known = registry.find(extension.name)
        failed = known is not None and known.has_failed(extension.digest)
        return known.failure["reason"] if failed and known is not None and known.failure else ""

    before = begin_anew(settings)
    if before is None:
        return ""
    wait_until_gone(settings, before)
    in_time = wait_until_ready(settings, before, lambda: bool(taken_back()), limit_s)
    if not taken_back():
        if in_time:
            return ""
        registry.roll_back(extension.name, extension.digest, f"the service was not ready with it within {limit_s:g} s")
        _kill(settings)
    reason = taken_back()
    if not wait_until_ready(settings, before, lambda: False, START_S):
        raise NotReady(f"the service is not ready without it either. {reason}")
    return reason


def _kill(settings: ServiceSettings) -> None:
    """End a service that hangs; its supervisor starts it again."""
    life = look(settings.state_dir)
    if life is not None:
        with suppress(ProcessLookupError):
            os.kill(life.pid, signal.SIGKILL)
