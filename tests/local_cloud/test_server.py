"""The server's doors: what it does not do it says, what goes wrong is an answer, its own doors ask for the secret."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from garret.local_cloud.store import Store
from tests.local_cloud.house import REGION, SECRET, House, PaperDriver, code_of


def test_an_action_that_is_not_emulated_is_said_loudly(house: House) -> None:
    """Unknown actions and unknown products get a 404 that names them and the page of what there is."""
    for version, action in (("2014-05-26", "CreateDeploymentSet"), ("2019-06-01", "CreateStateConfiguration")):
        with pytest.raises(Exception, match="does not emulate") as refused:
            house.common(version, action)
        assert (code_of(refused.value), refused.value.get_http_status()) == ("InvalidAction.NotFound", 404)
        assert action in str(refused.value)
        assert "docs/local-cloud-coverage.md" in str(refused.value)


def test_an_unsigned_request_is_refused(house: House) -> None:
    """Without a signature nothing is done, whatever is asked."""
    status, body = house.http("GET", "/?Action=DescribeRegions&Version=2014-05-26")
    assert (status, body["Code"]) == (400, "MissingParameter")


def test_health_is_open_and_says_who_answers(house: House) -> None:
    """Anyone may ask whether the server is up."""
    status, body = house.http("GET", "/healthz")
    assert (status, body["status"], body["driver"]) == (200, "ok", "paper")


@pytest.mark.parametrize("path", ["/_garret/faults", "/_garret/bill", "/_garret/calls"])
def test_own_doors_ask_for_the_secret(house: House, path: str) -> None:
    """Fault board, bill and log of calls are closed to whoever does not hold the home's secret."""
    assert house.http("GET", path)[0] == 403
    assert house.http("GET", path, headers={"x-garret-secret": "wrong"})[0] == 403
    assert house.http("GET", path, headers={"x-garret-secret": SECRET})[0] == 200


def test_the_log_of_calls_tells_reads_from_writes(house: House) -> None:
    """Each call leaves one line with its action, whether it writes, and its error code; secrets leave none."""
    house.common("2014-05-26", "DescribeRegions")
    with pytest.raises(Exception, match="MissingParameter"):
        house.common("2014-05-26", "StopInstance")
    calls = house.own("GET", "/_garret/calls")["calls"]
    assert [(call["action"], call["access"], call["code"]) for call in calls] == [
        ("DescribeRegions", "read", ""),
        ("StopInstance", "write", "MissingParameter"),
    ]
    assert SECRET not in str(calls)
    assert house.own("GET", f"/_garret/calls?since={calls[0]['number']}")["calls"] == calls[1:]


@pytest.mark.parametrize(
    ("name", "params", "code"),
    [
        ("StopInstance", {}, "MissingParameter"),
        ("StopInstance", {"InstanceId": "i-1", "ForceStop": "perhaps"}, "InvalidParameter"),
        ("DescribeInstances", {"RegionId": "cn-hangzhou", "PageSize": "many"}, "InvalidParameter"),
        ("DescribeInstances", {"RegionId": "cn-hangzhou", "InstanceIds": "[broken"}, "InvalidInstanceIds.Malformed"),
    ],
)
def test_parameters_are_checked_before_anything_happens(
    house: House, name: str, params: dict[str, str], code: str
) -> None:
    """A missing or malformed parameter is refused with a code and a text that names it."""
    with pytest.raises(Exception, match=code) as refused:
        house.common("2014-05-26", name, **params)
    wrong = (set(params) & {"ForceStop", "PageSize", "InstanceIds"}) or {"InstanceId"}
    assert wrong.pop() in refused.value.get_error_msg()


class FullStore(Store):
    """A store whose disk is full: SQLite itself refuses to grow it."""

    def fill(self) -> None:
        """Take what room there is."""
        pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
        self._connection.execute(f"PRAGMA max_page_count = {pages}")
        for size in (2000, 300, 20):
            with contextlib.suppress(sqlite3.OperationalError):
                for number in range(100_000):
                    self.put("filler", f"{size}-{number}", {"x": "x" * size})


def test_a_full_disk_is_an_answer_with_the_path(tmp_path: Path) -> None:
    """Both SDKs get InternalError naming the file and the remedy, and the server goes on."""
    store = FullStore(tmp_path / "cloud.sqlite")
    with House(PaperDriver(), store=store) as house:
        vpc, long = house.vpc("CreateVpc")["VpcId"], "x" * 3000
        store.fill()
        for ask in (
            lambda: house.vpc("CreateVpc", Description=long),
            lambda: house.call("CreateSecurityGroup", RegionId=REGION, VpcId=vpc, Description=long),
        ):
            with pytest.raises(Exception, match="InternalError") as refused:
                ask()
            assert str(tmp_path / "cloud.sqlite") in str(refused.value)
            assert "GARRET_HOME" in str(refused.value)
        assert house.http("GET", "/healthz")[0] == 200


class BrokenDriver(PaperDriver):
    """A driver with a bug."""

    def alive(self, instance_id: str) -> bool:
        """Fail in a way nobody foresaw."""
        raise RuntimeError(f"a bug met {instance_id}")


def test_a_bug_of_ours_is_an_answer(capfd: pytest.CaptureFixture[str]) -> None:
    """An error nobody foresaw is InternalError for the SDK, and a traceback in the log."""
    from tests.local_cloud.machines import launch

    with House(BrokenDriver()) as house:
        instance = launch(house)
        house.cloud.background.join()
        with pytest.raises(Exception, match="InternalError"):
            house.call("StopInstance", InstanceId=instance)
    assert "a bug met i-" in capfd.readouterr().err
