"""Sessions end by idleness, by age, by logging out and with their login; on the disk there are hashes alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from garret.service_runtime.sessions import ID_LENGTH, MOST_OF_ONE, Sessions

IDLE_S, LASTS_S = 100.0, 1000.0


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The time of a test."""
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of the sessions."""
    return tmp_path / "sessions.json"


def sessions(path: Path, clock: Clock) -> Sessions:
    """Return what a service that starts now knows."""
    return Sessions(path, IDLE_S, LASTS_S, clock)


def test_a_session_lives_as_long_as_it_is_used(path: Path, clock: Clock) -> None:
    """Idle for too long it is over, and cannot be woken."""
    kept = sessions(path, clock)
    one = kept.open("admin", "mark")
    for _ in range(5):
        clock.now += IDLE_S - 1
        assert kept.owner(one, "mark") == "admin"
    clock.now += IDLE_S
    assert kept.owner(one, "mark") == ""
    clock.now -= IDLE_S
    assert kept.owner(one, "mark") == ""


def test_looking_is_not_using(path: Path, clock: Clock) -> None:
    """A tab that was left open asks how the machine is, all night."""
    kept = sessions(path, clock)
    one = kept.open("admin", "mark")
    clock.now += IDLE_S - 1
    assert kept.owner(one, "mark", in_use=False) == "admin"
    clock.now += 2
    assert kept.owner(one, "mark", in_use=False) == ""


def test_a_session_ends_some_day_however_much_it_is_used(path: Path, clock: Clock) -> None:
    """Its age counts from the login."""
    kept = sessions(path, clock)
    one = kept.open("admin", "mark")
    while clock.now - 1_000_000.0 < LASTS_S:
        assert kept.owner(one, "mark") == "admin"
        clock.now += IDLE_S - 1
    assert kept.owner(one, "mark") == ""


def test_a_clock_set_back_makes_no_session_longer(path: Path, clock: Clock) -> None:
    """A little is forgiven."""
    kept = sessions(path, clock)
    one, other = kept.open("admin", "mark"), kept.open("admin", "mark")
    clock.now -= 10
    assert kept.owner(one, "mark") == "admin"
    clock.now -= 10_000
    assert kept.owner(other, "mark") == ""


def test_ids_are_long_and_never_twice(path: Path, clock: Clock) -> None:
    """256 random bits each."""
    kept = sessions(path, clock)
    ids = {kept.open(f"owner {number}", "mark") for number in range(200)}
    assert len(ids) == 200
    assert {len(one) for one in ids} == {ID_LENGTH}


def test_another_login_ends_what_the_one_before_opened(path: Path, clock: Clock) -> None:
    """For good, also when the first one comes back."""
    kept = sessions(path, clock)
    one = kept.open("admin", "mark")
    assert kept.owner(one, "another") == ""
    assert kept.owner(one, "mark") == ""


def test_an_owner_has_so_many_and_the_one_unused_longest_goes(path: Path, clock: Clock) -> None:
    """Somebody else's stay."""
    kept = sessions(path, clock)
    theirs = kept.open("somebody else", "mark")
    mine = []
    for _ in range(MOST_OF_ONE):
        clock.now += 1
        mine.append(kept.open("admin", "mark"))
    clock.now += 1
    kept.owner(mine[0], "mark")
    mine.append(kept.open("admin", "mark"))
    assert [kept.owner(one, "mark") for one in mine].count("admin") == MOST_OF_ONE
    assert kept.owner(mine[1], "mark") == ""
    assert kept.owner(theirs, "mark") == "somebody else"


def test_a_restart_keeps_people_logged_in_and_out(path: Path, clock: Clock) -> None:
    """With their times; what was over meanwhile is not there."""
    first = sessions(path, clock)
    one, left = first.open("admin", "mark"), first.open("admin", "mark")
    first.end(left)
    first.write()
    clock.now += IDLE_S - 1
    second = sessions(path, clock)
    assert second.owner(one, "mark") == "admin"
    assert second.owner(left, "mark") == ""
    clock.now += 2
    assert sessions(path, clock).owner(one, "mark") == ""


def test_the_file_opens_nothing_and_is_closed_to_others(path: Path, clock: Clock) -> None:
    """Only hashes of ids are in it."""
    kept = sessions(path, clock)
    one = kept.open("admin", "mark")
    kept.write()
    assert one not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    (key,) = json.loads(path.read_text())
    assert sessions(path, clock).owner(key, "mark") == ""


def test_nothing_is_written_as_long_as_nobody_logs_in(path: Path, clock: Clock) -> None:
    """Nor too often afterwards."""
    kept = sessions(path, clock)
    kept.write()
    assert not path.exists()
    assert not kept.is_due
    clock.now += 61
    assert kept.is_due


def test_when_the_disk_is_full_a_logout_holds_all_the_same(tmp_path: Path, clock: Clock) -> None:
    """The file from before would log somebody in again who has logged out: it goes."""
    path = tmp_path / "sessions.json"
    kept = sessions(path, clock)
    one = kept.open("admin", "mark")
    kept.write()
    path.with_name("sessions.json.part").mkdir()  # no file can be written there
    kept.end(one)
    kept.write()
    assert sessions(path, clock).owner(one, "mark") == ""


ENTRY = {"owner": "admin", "mark": "mark", "began": 1_000_000.0, "used": 1_000_000.0}


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "7", "null", '{"a": 1}', '{"a": {}}', "\x00", "[" * 5000,
        json.dumps({"a": ENTRY | {"owner": 1}}), json.dumps({"a": ENTRY | {"used": None}}),
        json.dumps({"a": ENTRY | {"began": float("nan")}}), json.dumps({"a": ENTRY | {"more": 1}}),
        json.dumps({"a": ENTRY | {"began": 10**400}}),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_logs_everybody_out(path: Path, clock: Clock, text: str) -> None:
    """And the next login is kept again."""
    path.write_text(text)
    kept = sessions(path, clock)
    one = kept.open("admin", "mark")
    kept.write()
    assert sessions(path, clock).owner(one, "mark") == "admin"
