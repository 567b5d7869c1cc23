"""A job that is cancelled at any moment is either cancelled or done, and says which; nothing of it is left behind."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from tests.service_runtime.living import Service, fake_settings, serving

BODY = {"prompt": "a", "width": 256, "height": 256, "steps": 1, "n_iter": 4, "batch_size": 2}


def test_a_job_cancelled_at_any_moment_leaves_nothing_behind(tmp_path: Path) -> None:
    """While its pictures are made, saved or written down; the reply says what the record says."""
    pauses = random.Random(7)
    with serving(fake_settings(tmp_path, fake_seconds=0.03)) as service:
        for _ in range(20):
            _cancel(service, pauses.uniform(0.0, 0.12))
        service.txt2img()  # what was being saved is saved
        with closing(sqlite3.connect(tmp_path / "state" / "jobs.sqlite")) as database:
            named = {name for (name,) in database.execute("SELECT name FROM pictures")}
        assert {path.name for path in (tmp_path / "state" / "results").iterdir()} == named


def _cancel(service: Service, after_s: float) -> None:
    job = service.call("POST", "/v1/jobs", BODY).json
    time.sleep(after_s)
    said = service.call("DELETE", job["url"]).json["cancelled"]
    assert said == (service.call("GET", job["url"]).json["state"] == "Cancelled")
