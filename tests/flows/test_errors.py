"""What goes wrong says what, why, and what next; and changes nothing."""

from __future__ import annotations

import socket

import pytest

from tests.flows.house import DEPLOY, House

pytestmark = pytest.mark.flow

BAD = [
    (("deploy", "--cloud", "moon", "--yes"), {}, ("moon", "aliyun", "local")),
    (("deploy", "--cloud", "local", "--region", "cn-atlantis", "--yes"), {}, ("cn-atlantis", "cn-hangzhou")),
    (
        ("deploy", "--cloud", "local", "--region", "cn-hangzhou", "--instance-type", "ecs.gn7i-c17g1.4xlarge", "--yes"),
        {},
        ("ecs.gn7i-c17g1.4xlarge", "ecs.gn7i-c16g1.4xlarge"),
    ),
    (DEPLOY, {"GARRET_PASSWORD": "short"}, ("password", "8")),
    (DEPLOY, {"GARRET_CRASH_AT": "deploy.nowhere"}, ("deploy.nowhere", "deploy.journaled")),
]


@pytest.mark.parametrize(("arguments", "environment", "words"), BAD)
def test_a_bad_request_is_refused_with_words_that_help(
    house: House, arguments: tuple[str, ...], environment: dict[str, str], words: tuple[str, ...]
) -> None:
    """A request that cannot be carried out ends with exit code 2, names the reason, and makes nothing."""
    done = house.run(*arguments, **environment)
    assert done.returncode == 2, done.stdout + done.stderr
    for word in words:
        assert word in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_busy_port_is_named(house: House) -> None:
    """When the node cannot have its port, deploy says which and how to take another."""
    with socket.socket() as taken:
        # Every address: nodes have addresses of their own.
        taken.bind(("0.0.0.0", 0))  # noqa: S104
        taken.listen()
        port = str(taken.getsockname()[1])
        done = house.run(*DEPLOY, "--port", port)
    assert done.returncode == 1, done.stdout + done.stderr
    assert port in done.stderr
    assert "--port" in done.stderr
    house.garret("delete", "garret", "--yes")
    assert house.instances() == []
