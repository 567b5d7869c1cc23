"""WaitCondition and its handle: signals by address and by API, failure, time-out, and what is told of them."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from Tea.exceptions import TeaException

from garret.local_cloud.clock import ManualClock
from tests.local_cloud.house import House, PaperDriver, code_of, until
from tests.local_cloud.ros.stage import Ros, left_over, network, template, waiting

OUTPUTS = {
    "Cli": {"Value": {"Fn::GetAtt": ["Handle", "CurlCli"]}},
    "Url": {"Value": {"Fn::GetAtt": ["Handle", "URL"]}},
    "Data": {"Value": {"Fn::GetAtt": ["Ready", "Data"]}},
    "Errors": {"Value": {"Fn::GetAtt": ["Ready", "JoinedErrorData"]}},
}


def _begin(ros: Ros, **condition: Any) -> str:
    stack_id = ros.create(template(waiting(**condition), Outputs=OUTPUTS))
    until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id))
    return stack_id


def _send(house: House, url: str, **message: Any) -> tuple[int, dict[str, Any]]:
    parts = urlsplit(url)
    return house.http("POST", f"{parts.path}?{parts.query}", json.dumps(message).encode())


def test_outputs_before_the_signal(ros: Ros) -> None:
    """The handle's command can be read while the stack waits; what is not there yet is null."""
    outputs = ros.outputs(_begin(ros))
    assert outputs["Url"].startswith("http://127.0.0.1:")
    assert outputs["Data"] is None


def test_success_with_data(house: House, ros: Ros) -> None:
    """A signal completes the stack, and its data is JSON text by signal id."""
    stack_id = _begin(ros)
    status, _ = _send(house, ros.outputs(stack_id)["Url"], status="SUCCESS", id="node", data='{"port": 443}')
    assert status == 200
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"
    assert json.loads(json.loads(ros.outputs(stack_id)["Data"])["node"]) == {"port": 443}


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
def test_curl_command_as_a_shell_reads_it(ros: Ros) -> None:
    """CurlCli, with the vendor's way of adding a body, is a whole command line that a shell splits rightly."""
    stack_id = _begin(ros)
    command = ros.outputs(stack_id)["Cli"] + """ --data-binary '{"status": "SUCCESS", "id": "x"}'"""
    words = shlex.split(command)
    assert words[:4] == ["curl", "-i", "-X", "POST"]
    assert [word for word in words if word.startswith("http")] == [ros.outputs(stack_id)["Url"]]
    printed = subprocess.run(["sh", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True)
    assert printed.stdout.splitlines() == words


def test_failure_rolls_back_with_the_reason(house: House, ros: Ros) -> None:
    """A FAILURE signal fails the stack with the node's own words and takes the rest away."""
    stack_id = ros.create(template(network(**waiting()), Outputs=OUTPUTS))
    until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id))
    _send(house, ros.outputs(stack_id)["Url"], status="FAILURE", reason="ensure_gpu: no driver", id="node")
    stack = ros.settled(stack_id)
    assert stack.status == "CREATE_ROLLBACK_COMPLETE"
    assert "WaitConditionFailure: resources.Ready: ensure_gpu: no driver" in stack.status_reason
    assert left_over(house) == {}


def test_count_and_resends(house: House, ros: Ros) -> None:
    """With Count 2 it takes two ids; the same id twice counts once; a WARNING counts and is told apart."""
    stack_id = _begin(ros, Count=2)
    url = ros.outputs(stack_id)["Url"]
    for _ in range(2):
        assert _send(house, url, status="SUCCESS", id="a", data="one")[0] == 200
    assert ros.see(stack_id).status == "CREATE_IN_PROGRESS"
    _send(house, url, status="WARNING", id="b", data="slow disk")
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"
    outputs = ros.outputs(stack_id)
    assert (json.loads(outputs["Data"]), outputs["Errors"]) == ({"a": "one"}, "slow disk")
    assert _send(house, url, status="SUCCESS", id="a", data="one")[0] == 200


def test_signal_resource(house: House, ros: Ros) -> None:
    """SignalResource does from outside what the address does from inside; another resource takes no signals."""
    stack_id = ros.create(template(network(**waiting())))
    until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id))
    with pytest.raises(TeaException, match="only handles take signals"):
        ros.ask("signal_resource", stack_id=stack_id, logical_resource_id="Vpc", status="SUCCESS", unique_id="1")
    ros.ask("signal_resource", stack_id=stack_id, logical_resource_id="Handle", status="SUCCESS", unique_id="1")
    assert ros.settled(stack_id).status == "CREATE_COMPLETE"


BAD_SIGNALS: list[tuple[Callable[[str], str], bytes, int, str]] = [
    (lambda url: url.replace("resource=Handle", "resource=Other"), b"{}", 403, "SignatureDoesNotMatch"),
    (lambda url: url.replace("expire=2", "expire=3"), b"{}", 403, "SignatureDoesNotMatch"),
    (lambda url: url.split("?")[0], b"{}", 403, "SignatureDoesNotMatch"),
    (lambda url: url, b"no json", 400, "InvalidParameter"),
    (lambda url: url, b'{"status": "DONE"}', 400, "InvalidParameter"),
    (lambda url: url, b'["SUCCESS"]', 400, "InvalidParameter"),
    (lambda url: url, b'{"status": "SUCCESS", "data": "' + b"x" * 70_000 + b'"}', 400, "InvalidParameter"),
]


def test_bad_signals(house: House, ros: Ros) -> None:
    """A changed address and a body that is no signal are refused, and the stack goes on waiting."""
    stack_id = _begin(ros)
    for change, body, status, code in BAD_SIGNALS:
        parts = urlsplit(change(ros.outputs(stack_id)["Url"]))
        answer, reply = house.http("POST", f"{parts.path}?{parts.query}", body)
        assert (answer, reply["Code"]) == (status, code)
    assert ros.see(stack_id).status == "CREATE_IN_PROGRESS"


def test_signal_to_a_deleted_stack(house: House, ros: Ros) -> None:
    """The address of a deleted stack's handle answers that it is gone."""
    stack_id = _begin(ros)
    url = ros.outputs(stack_id)["Url"]
    ros.ask("delete_stack", stack_id=stack_id)
    ros.settled(stack_id)
    assert _send(house, url, status="SUCCESS")[1]["Code"] == "ResourceNotFound"


def test_handle_of_another_stack(ros: Ros) -> None:
    """A condition can only wait on a handle of its own stack."""
    other = _begin(ros)
    foreign = waiting()
    foreign["Ready"]["Properties"]["Handle"] = f"{other}/Handle"
    stack_id = ros.create(template(foreign), name="second")
    assert "of this stack" in ros.settled(stack_id).status_reason


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that the test moves; it starts now, since the clients sign with the real time."""
    from garret.local_cloud.clock import Clock

    return ManualClock(Clock().now())


def test_condition_times_out(clock: ManualClock, driver: PaperDriver) -> None:
    """Without a signal within Timeout the stack fails and says how many came."""
    with House(driver, clock) as house:
        ros = Ros(house)
        stack_id = _begin(ros, timeout=300)
        clock.advance(299)
        assert ros.see(stack_id).status == "CREATE_IN_PROGRESS"
        clock.advance(2)
        stack = ros.settled(stack_id)
        assert stack.status == "CREATE_ROLLBACK_COMPLETE"
        assert "WaitConditionTimeout: resources.Ready: 0 of 1 received" in stack.status_reason


def test_stack_times_out(clock: ManualClock, driver: PaperDriver) -> None:
    """TimeoutInMinutes ends a creation that waits longer than that."""
    with House(driver, clock) as house:
        ros = Ros(house)
        stack_id = ros.create(template(waiting(timeout=43_200)), timeout_in_minutes=10)
        until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id))
        clock.advance(timedelta(minutes=10, seconds=1).total_seconds())
        stack = ros.settled(stack_id)
        assert stack.status == "CREATE_ROLLBACK_COMPLETE"
        assert "timed out" in stack.status_reason


def test_address_expires(clock: ManualClock, driver: PaperDriver) -> None:
    """Twelve hours after the handle was made its address is refused."""
    with House(driver, clock) as house:
        ros = Ros(house)
        stack_id = ros.create(template({"Handle": waiting()["Handle"]}, Outputs={"Url": OUTPUTS["Url"]}))
        url = ros.settled(stack_id) and ros.outputs(stack_id)["Url"]
        clock.advance(43_201)
        assert _send(house, url, status="SUCCESS")[1]["Code"] == "SignatureExpired"


def test_code_of_a_time_out_is_told(clock: ManualClock, driver: PaperDriver) -> None:
    """OperationInfo names the resource that was not ready in time."""
    with House(driver, clock) as house:
        ros = Ros(house)
        stack_id = _begin(ros, timeout=1)
        clock.advance(2)
        info = ros.settled(stack_id).operation_info
        assert (info.code, info.logical_resource_id) == ("WaitConditionTimeout", "Ready")


def test_unknown_stack_cannot_be_signalled(ros: Ros) -> None:
    """SignalResource to nobody is StackNotFound."""
    with pytest.raises(TeaException) as caught:
        ros.ask("signal_resource", stack_id="x", logical_resource_id="H", status="SUCCESS", unique_id="1")
    assert code_of(caught.value) == "StackNotFound"
