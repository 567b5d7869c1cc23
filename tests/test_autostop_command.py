"""What `garret ops autostop` takes, and what a person reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from garret.commands.autostop import here, wanted_settings
from garret.commands.autostop_text import delete_text, idle_text, now_text, span
from garret.errors import UsageError

SHANGHAI = {"TZ": "Asia/Shanghai"}
SAID: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"idle": "2h"}, {"idle_s": 7200.0, "learn": False}),
    ({"idle": "off"}, {"idle_s": 0.0, "learn": False}),
    ({"idle": "auto"}, {"idle_s": 3600.0, "learn": True}),
    ({"stop_by": "02:00"}, {"stop_by": "02:00", "time_zone": "Asia/Shanghai"}),
    ({"stop_by": "02:00", "zone": "+01:00"}, {"stop_by": "02:00", "time_zone": "+01:00"}),
    ({"stop_by": "off"}, {"stop_by": "", "time_zone": "+00:00"}),
    ({"delete_after": "14d"}, {"delete_after_s": 14 * 86_400.0}),
    ({"delete_after": "off"}, {"delete_after_s": 0.0}),
]
WRONG = [
    ({"idle": "3m"}, "idle: 3m is too short"),
    ({"idle": "soon"}, "idle: 'soon' is not a span"),
    ({"idle": "8d"}, "idle_s: 691200 is neither"),
    ({"stop_by": "2am"}, "stop_by: '2am' is no time of day"),
    ({"stop_by": "02:00", "zone": "Mars/Olympus"}, "time_zone: 'Mars/Olympus' is not known"),
    ({"zone": "Asia/Shanghai"}, "time_zone: there is no time of day"),
    ({"delete_after": "10m"}, "delete_after_s: 600 is neither"),
]


def wanted(**said: str) -> dict[str, Any]:
    """The settings of what was said."""
    return wanted_settings(said.get("idle"), said.get("stop_by"), said.get("zone"), said.get("delete_after"), SHANGHAI)


@pytest.mark.parametrize(("said", "meant"), SAID, ids=[str(said) for said, _ in SAID])
def test_what_is_said_is_what_the_node_is_told(said: dict[str, str], meant: dict[str, Any]) -> None:
    """What was not said is not sent."""
    assert wanted(**said) == meant


@pytest.mark.parametrize(("said", "word"), WRONG, ids=[word for _, word in WRONG])
def test_what_is_wrong_is_named_before_anything_is_asked(said: dict[str, str], word: str) -> None:
    """The option and the reason."""
    with pytest.raises(UsageError, match=word):
        wanted(**said)


def test_the_time_zone_is_this_machine_s_where_none_is_said(tmp_path: Path) -> None:
    """By its name where it has one: the distance from UTC would be wrong after the next change of the clocks."""
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Europe/Vienna")
    assert here({}, link) == "Europe/Vienna"
    assert here(SHANGHAI, link) == "Asia/Shanghai"
    assert here({}, tmp_path / "none")[0] in "+-"
    assert len(here({"TZ": "UTC0"}, tmp_path / "none")) == 6


def test_a_person_reads_when_it_acts_and_why_it_has_not() -> None:
    """Each state in words."""
    facts = {"idle_s": 1020.0, "last_sign": "GET /", "stops_in_s": 2580.0}
    assert now_text(facts) == "in 43 min; idle for 17 min since: GET /"
    held = {"hold": {"until": 1.0, "left_s": 3000.0, "by": "admin"}}
    assert now_text(facts | held) == "in 43 min; kept on by admin for 50 min still; idle for 17 min since: GET /"
    assert now_text(facts | {"doing": "download-model"}) == "in 43 min; busy with download-model"
    refused = now_text(facts | {"refused": "StopInstance: Forbidden.RAM: no", "tries": 3})
    assert refused.startswith("refused 3 times, and tried again: StopInstance: Forbidden.RAM")
    assert now_text(facts | {"asked": True}).startswith("the cloud was asked to stop it")
    assert now_text(facts | {"stops_in_s": None}).startswith("it does not stop itself")
    assert "could not be changed: no" in now_text(facts | {"release_refused": "no"})
    settings = {"idle_s": 3600.0, "learn": True, "stop_by": "", "delete_after_s": 14 * 86_400.0}
    assert idle_text(settings, {"waits_s": 180.0}) == "learned, at most 60 min; 3 min by what it has seen so far"
    assert "is paid for, until somebody stops it" in idle_text(settings | {"idle_s": 0.0}, {})
    assert delete_text(settings, "").startswith("14 days after a stop; its address stays, and is billed")
    assert [span(one) for one in (30, 5400, 9000, 3 * 86_400)] == ["30 s", "1.5 h", "2.5 h", "3 days"]
