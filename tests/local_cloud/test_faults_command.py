"""`garret local faults` and `garret local status`: what a person switches on, sees and clears."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from garret.local_cloud import daemon
from garret.local_cloud.asking import ask
from garret.local_cloud.fault_names import NAMED


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose local cloud is up."""
    home = tmp_path_factory.mktemp("faults") / "home"
    daemon.up(home)
    yield home
    daemon.down(home, erase=True)


def garret(home: Path, *words: str) -> tuple[int, str, str]:
    """Run one garret command; returns exit code, output and errors."""
    import os

    environment = {name: value for name, value in os.environ.items() if not name.startswith("GARRET_")}
    command = [sys.executable, "-m", "garret.cli", "local", *words]
    environment["GARRET_HOME"] = str(home)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def answer(home: Path, *words: str) -> Any:
    """Run one garret command that must succeed and return its JSON."""
    code, out, errors = garret(home, *words, "--json")
    assert code == 0, errors
    return json.loads(out)


def test_a_fault_is_added_seen_and_cleared(home: Path) -> None:
    """By its name and words; the list and the status tell it, and what it was told is told."""
    id = answer(home, "faults", "add", "no_stock", "zone=cn-hangzhou-i", "shown=true", "times=2")["added"][0]
    answer(home, "faults", "add", "latency", "latency_ms=5")
    ask(home, "POST", "clock", {"advance_s": 60})
    faults = answer(home, "faults", "list")["faults"]
    assert faults[0] == {
        "id": id, "fault": "no_stock", "zone": "cn-hangzhou-i", "type": "", "region": "", "shown": True, "times": 2
    }  # fmt: skip
    code, out, _ = garret(home, "faults", "list")
    assert code == 0
    assert "zone=cn-hangzhou-i" in out
    told = answer(home, "status")
    assert told["faults"] == faults
    assert told["advanced_s"] == 60
    _, out, _ = garret(home, "status")
    assert "no_stock, latency 5.0 ms" in out
    assert "60 s ahead" in out
    assert [one["fault"] for one in answer(home, "faults", "clear", id)["faults"]] == ["latency"]
    assert answer(home, "faults", "clear")["faults"] == []


def test_help_teaches_every_word(home: Path) -> None:
    """Each named fault with everything that it can be told."""
    _, out, _ = garret(home, "faults", "add", "--help")
    for named in NAMED.values():
        assert f" {named.name}\n" in out
        assert all(f"{field.name}=" in out for field in named.fields)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no_stok",), ("FAULT", "no_stock")),
        (("no_stock", "zones=x"), ("zones=x", "zone")),
        (("no_stock", "shown=maybe"), ("no_stock.shown", "true nor false")),
        (("throttle", "times=often"), ("throttle.times", "often")),
        (("quota",), ("quota.quota", "must be said")),
    ],
)
def test_a_wrong_word_is_named(home: Path, words: tuple[str, ...], said: tuple[str, ...]) -> None:
    """Exit 2, with the word and what there is; nothing is on afterwards."""
    code, _, errors = garret(home, "faults", "add", *words)
    assert code == 2
    assert all(one in errors for one in said), errors
    assert ask(home, "GET", "faults")["faults"] == []


def test_nothing_is_up(tmp_path: Path) -> None:
    """It says what to type, and starts nothing."""
    code, _, errors = garret(tmp_path / "home", "faults", "list")
    assert code != 0
    assert "garret local up" in errors
    assert not (tmp_path / "home/local-cloud").exists()


def test_files_are_their_owner_s(home: Path) -> None:
    """Locks, log, store and record: 0600, whatever the umask."""
    files = [path for path in (home, *home.glob("local-cloud/**")) for path in path.glob("*") if path.is_file()]
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in files}
    assert {"cloud.json", "cloud.log", "cloud.sqlite", "server.lock", "local-cloud.lock"} <= set(modes)
    assert set(modes.values()) == {"0o600"}, modes
