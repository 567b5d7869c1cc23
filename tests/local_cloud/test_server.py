"""The server's doors: what it does not do it says, what goes wrong is an answer, its own doors ask for the secret."""

from __future__ import annotations

import pytest

from tests.local_cloud.house import SECRET, House, code_of


def test_an_action_that_is_not_emulated_is_said_loudly(house: House) -> None:
    """Unknown actions and unknown products get a 404 that names them and the page of what there is."""
    for version, action in (("2014-05-26", "CreateDeploymentSet"), ("2019-06-01", "StartExecution")):
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
