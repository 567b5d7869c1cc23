"""What the node says of itself to `garret status`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from garret.service_runtime.api.machine import certificate_facts
from tests.service_runtime.living import fake_settings, serving


def test_the_machine_tells_how_far_its_certificate_is(tmp_path: Path) -> None:
    """As it stands in the file at that moment; null where none was asked for."""
    file = tmp_path / "state.json"
    with serving(fake_settings(tmp_path, certificate_state=str(file))) as service:
        assert service.call("GET", "/machine").json["certificate"] is None
        file.write_text(json.dumps({"state": "waiting", "reason": "no A record"}))
        assert service.call("GET", "/machine").json["certificate"] == {"state": "waiting", "reason": "no A record"}


def test_the_machine_tells_what_its_workers_are(tmp_path: Path) -> None:
    """Device, mode and the models in memory: a person sees there that a picture came from low-VRAM mode."""
    with serving(fake_settings(tmp_path)) as service:
        assert service.txt2img().status == 200
        said = service.call("GET", "/machine").json
        (worker,) = said["workers"]
    assert said["state"] == "ready"
    assert (worker["ready"], worker["restarts"], worker["models"]) == (True, 0, ["tiny"])
    assert {"device", "mode", "memory_used", "memory_total", "working"} <= worker.keys()


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"'])
def test_what_is_no_state_is_none(text: str, tmp_path: Path) -> None:
    """Whatever a power cut left."""
    (tmp_path / "state.json").write_text(text)
    assert certificate_facts(str(tmp_path / "state.json")) is None
    assert certificate_facts("") is None
