"""The service's log: lines of text for people, or JSON by setting, with the ids of the jobs that a line is about."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from garret.service_runtime.job_watcher import JobWatcher
from garret.service_runtime.log_ring import RING

if TYPE_CHECKING:
    from garret.service_runtime.live import Live

TEXT = "%(levelname)s %(name)s: %(message)s"
FIELDS = ("job", "jobs", "owner", "model", "pictures", "seconds", "end", "why")
"""What a line may have beside its message; who logs passes them as `extra`."""
logger = logging.getLogger("garret.jobs")


def set_up(form: str, others: int = logging.INFO) -> None:
    """Send this process' log to its error stream; lines of what is not garret's from the level `others` on.

    Each job's own three lines are told in JSON, and to whoever looks at the last lines; a text for people is without.
    """
    logging.basicConfig(level=others, format=TEXT, stream=sys.stderr)
    logging.getLogger("garret").setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:
        if form == "json":
            handler.setFormatter(JsonLines())
        else:
            handler.addFilter(_but_jobs)
    logging.getLogger().addHandler(RING)


def _but_jobs(record: logging.LogRecord) -> bool:
    return record.name != logger.name or record.levelno >= logging.WARNING


class JsonLines(logging.Formatter):
    """One JSON object for each record: time (UTC), level, logger, message, what `FIELDS` name, and a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class JobLog(JobWatcher):
    """Writes a line when a job is accepted, begun and over; never what was asked for."""

    def accepted(self, live: Live) -> None:
        """Say who asked for how many pictures of which model."""
        asked = {"owner": live.owner, "model": live.model.name, "pictures": live.request.count}
        logger.info("accepted", extra={"job": live.job_id, **asked})

    def begun(self, live: Live) -> None:
        """Say how long it waited."""
        logger.info("begun", extra={"job": live.job_id, "seconds": _since(live)})

    def ended(self, live: Live, end: str, why: str) -> None:
        """Say how it ended, and after how long."""
        told = {"end": end, "seconds": _since(live), **({"why": why} if why else {})}
        logger.info("over", extra={"job": live.job_id, **told})


def _since(live: Live) -> float:
    return round(max(0.0, time.time() - live.began), 3)
