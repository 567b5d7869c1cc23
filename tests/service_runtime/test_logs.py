"""By setting, each line of the log is JSON, and those about a job have its id."""

from __future__ import annotations

import json
import logging
import signal
from pathlib import Path
from typing import Any

from garret.service_runtime.logs import JsonLines
from tests.service_runtime.living import Service, fake_settings, serving


def said(service: Service) -> list[str]:
    """Stop a service and return what it has said since it listens."""
    service.process.send_signal(signal.SIGTERM)
    return list(service.process.communicate(timeout=20)[0].splitlines())


def test_a_record_becomes_one_line() -> None:
    """Line breaks and other scripts inside; a traceback is a field; what is no field of ours stays out."""
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        record = logging.LogRecord("garret.x", logging.ERROR, "", 0, "红 %s", ("a\nb",), (type(error), error, None))
    record.__dict__ |= {"job": "abc", "password": "secret"}
    record.created = 1_800_000_000.125
    line = JsonLines().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("traceback").endswith("ValueError: two\nlines")
    assert found == {
        "time": "2027-01-15T08:00:00.125Z", "level": "error", "logger": "garret.x", "message": "红 a\nb", "job": "abc",
    }  # fmt: skip


def test_a_job_can_be_followed_by_its_id(tmp_path: Path) -> None:
    """Accepted, begun, over; a worker that is lost names the jobs it had; nothing says what was asked for."""
    with serving(fake_settings(tmp_path, log_format="json", fake_faults="oom@2,oom@3,die@4")) as service:
        done = service.txt2img(prompt="a red circle").json["garret_job"]
        assert service.txt2img(prompt="too large").status == 503
        again = service.txt2img(prompt="another").json["garret_job"]
        lines: list[dict[str, Any]] = [json.loads(line) for line in said(service)]
    course = [line["message"] for line in lines if line.get("job") == done]
    assert course == ["accepted", "begun", "over"]
    accepted = next(line for line in lines if line.get("job") == done)
    assert (accepted["owner"], accepted["model"], accepted["pictures"]) == ("local", "tiny", 1)
    ends = {line["job"]: line for line in lines if line["message"] == "over"}
    assert (ends[done]["end"], ends[again]["end"]) == ("success", "success")
    (failed,) = [line for line in ends.values() if line["end"] == "failed"]
    assert "out of memory" in failed["why"]
    assert [line["jobs"] for line in lines if line["message"].startswith("lost a worker")] == [[again]]
    assert all({"time", "level", "logger"} <= line.keys() for line in lines)
    assert not any("circle" in json.dumps(line) for line in lines)


def test_by_default_the_log_is_text_for_people(tmp_path: Path) -> None:
    """And says nothing of single jobs: a log on a disk is no place for each of them."""
    with serving(fake_settings(tmp_path)) as service:
        assert service.txt2img().status == 200
        lines = said(service)
    assert any(line.startswith("INFO garret.service_runtime.") and "worker ready" in line for line in lines)
    assert not any("garret.jobs" in line for line in lines)
