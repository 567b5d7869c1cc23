"""Requests as lines: whatever is filled in for a value, it stays that value or the request is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garret.service_runtime.following import identifier_of
from garret.service_runtime.request_lines import FIRST_LINE, WrongRequest, read_request
from garret.service_runtime.settings import write_env_file
from tests.service_runtime.living import fake_settings

FORM = FIRST_LINE + "\nverb=download-model\nurl={url}\nname={name}\nforce:flag={force}\nsize:number={size}\n"


def test_what_is_said_arrives_as_it_is() -> None:
    """Text with its equals signs and quotes, a flag, a number; what is empty is left out."""
    text = FORM.format(url="https://x/?a=b&c='$(id)'", name="", force="true", size="1.5")
    assert read_request(text) == {
        "verb": "download-model",
        "parameters": {"url": "https://x/?a=b&c='$(id)'", "force": True, "size": 1.5},
    }


@given(st.text(), st.text())
def test_no_value_becomes_another_parameter(url: str, name: str) -> None:
    """Two values filled into a template's text are read as just these two, or nothing is."""
    try:
        found = read_request(FORM.format(url=url, name=name, force="false", size=""))
    except WrongRequest:
        return
    assert found["verb"] == "download-model"
    said = {key: value for key, value in (("url", url), ("name", name)) if value}
    assert found["parameters"] == said | {"force": False}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("verb=x\n", "first line"),
        (FIRST_LINE + "\nname=a\n", "verb"),
        (FIRST_LINE + "\nverb=rm -rf /\n", "verb"),
        (FIRST_LINE + "\nverb=a\nname\n", "not name=value"),
        (FIRST_LINE + "\nverb=a\nname=b\nname=c\n", "twice"),
        (FIRST_LINE + "\nverb=a\nname=b\n\nname2=c\n", "not name=value"),
        (FIRST_LINE + "\nverb=a\nforce:flag=yes\n", "neither true nor false"),
        (FIRST_LINE + "\nverb=a\nsize:number=big\n", "no number"),
        (FIRST_LINE + "\nverb=a\nname=a\rb\n", "control character"),
        (FIRST_LINE + "\nverb=a\nname=" + "a" * 25_000, "longer than"),
    ],
)
def test_what_is_no_request(text: str, part: str) -> None:
    """The line is named."""
    with pytest.raises(WrongRequest, match=part):
        read_request(text)


def node(root: Path, *words: str) -> tuple[int, dict[str, object]]:
    """Run garret-node below a root."""
    done = subprocess.run(
        [sys.executable, "-m", "garret.service_runtime.node", "operation", *words],
        env={**os.environ, "GARRET_PREFIX": str(root)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node's files."""
    settings = fake_settings(tmp_path)
    for folder in ("etc/garret", "var/lib/garret/requests"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/garret/service.env").write_text(write_env_file(settings.to_env()), encoding="utf-8")
    assert settings.state_dir.is_relative_to(tmp_path)
    return tmp_path


def test_a_request_is_followed_to_its_end(root: Path) -> None:
    """It becomes an execution like any other; the exit code says how it ended; the second time it is only shown."""
    request = root / "var/lib/garret/requests/exec-1a.txt"
    request.write_text(f"{FIRST_LINE}\nverb=autostop\nidle_s:number=1800\nstop_by=02:00\n")
    code, done = node(root, "follow", "exec-1a")
    assert (code, done["status"], done["requested_by"], done["id"]) == (
        0, "Success", "OOS exec-1a", identifier_of("exec-1a"),
    )  # fmt: skip
    assert json.loads((fake_settings(root).state_dir / "autostop.json").read_text())["stop_by"] == "02:00"
    assert not request.exists()
    assert node(root, "follow", "exec-1a")[1]["created_at"] == done["created_at"]


def test_a_request_that_is_none_is_refused_and_goes(root: Path) -> None:
    """With its line; so is a name that is no execution's, one that never came, and what the verb itself refuses."""
    request = root / "var/lib/garret/requests/exec-2.txt"
    request.write_text(f"{FIRST_LINE}\nverb=autostop\nstop_by=\nstop_by=03:00\n")
    code, done = node(root, "follow", "exec-2")
    assert (code, "stop_by is there twice" in str(done), request.exists()) == (1, True, False)
    assert "there is no request" in str(node(root, "follow", "exec-3"))
    assert "is not the id" in str(node(root, "follow", "../../etc/passwd"))
    request.write_text(f"{FIRST_LINE}\nverb=autostop\nstop_by=25:00\n")
    code, done = node(root, "follow", "exec-2")
    assert (code, done["status"]) == (1, "Failed")
    assert "no time of day" in str(done["error"])
