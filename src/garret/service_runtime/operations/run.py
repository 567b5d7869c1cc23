"""One running operation: what it is given, how it tells how far it is, and how its end gets into its record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from garret.service_runtime.executions import CANCELLED, FAILED, RUNNING, SUCCESS, Execution, ExecutionStore, now
from garret.service_runtime.operations import load
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.transfer import DownloadCancelled, DownloadError, Surroundings

_WRITE_EVERY_S = 0.5


class WrongParameter(Exception):
    """A parameter of an operation is wrong."""

    def __init__(self, name: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{name}: {reason}")
        self.message = f"{name}: {reason}"
        self.hint = hint


class PartlyFailed(Exception):
    """Some of what was asked for was done; `output` says what, the message what was not."""

    def __init__(self, message: str, hint: str, output: dict[str, Any]) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.output = output


@dataclass
class Run:
    """One running execution: writes its record as it goes."""

    store: ExecutionStore
    execution: Execution
    settings: ServiceSettings
    around: Surroundings
    last_write: float = 0.0

    def save(self, **changes: Any) -> None:
        """Change the record on the disk."""
        self.execution = self.store.save(replace(self.execution, **changes))
        self.last_write = time.monotonic()

    @contextmanager
    def task(self, name: str) -> Iterator[None]:
        """Note a part of the work, with the time it took."""
        done, began = self.execution.tasks, time.monotonic()
        self.save(tasks=(*done, {"name": name, "status": RUNNING, "began_at": now(), "seconds": 0.0, "note": ""}))
        status = FAILED
        try:
            yield
            status = SUCCESS
        except DownloadCancelled:
            status = CANCELLED
            raise
        finally:
            one = self.execution.tasks[len(done)] | {"status": status, "seconds": round(time.monotonic() - began, 3)}
            self.save(tasks=(*done, one))

    def note(self, text: str) -> None:
        """Say something about the part that runs."""
        *done, one = self.execution.tasks
        self.save(tasks=(*done, one | {"note": text[:500]}))

    def stop_here(self) -> None:
        """Stop between two parts, where somebody asked for that."""
        if self.store.asked_to_cancel(self.execution.id):
            raise DownloadCancelled

    def progress(self, done: int, total: int | None) -> None:
        """Note how many bytes came, not more often than anybody looks; stop here when asked to."""
        over = time.monotonic() - self.last_write
        if over < _WRITE_EVERY_S and done != total:
            return
        self.stop_here()
        self.save(progress={"done": done, "total": total})


def run_operation(run: Run, parameters: Mapping[str, Any]) -> Execution:
    """Carry out an execution's verb; whatever happens, the record says how it ended."""
    run.save(status=RUNNING, started_at=now())
    try:
        output = load(run.execution.verb)(run, parameters)
    except DownloadCancelled:
        run.save(status=CANCELLED, ended_at=now())
    except PartlyFailed as error:
        said = {"message": error.message, "hint": error.hint}
        run.save(status=FAILED, ended_at=now(), error=said, output=error.output)
    except (DownloadError, WrongParameter) as error:
        run.save(status=FAILED, ended_at=now(), error={"message": error.message, "hint": error.hint})
    except Exception as error:
        # Whatever it was, the record must not say Running for ever.
        message = f"{type(error).__name__}: {error}"[:500]
        run.save(status=FAILED, ended_at=now(), error={"message": message, "hint": "See the execution's log"})
        raise
    else:
        run.save(status=SUCCESS, ended_at=now(), output=output)
    return run.execution
