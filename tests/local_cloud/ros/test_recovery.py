"""A server that is killed at any write goes on where it was, and makes nothing twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from garret.local_cloud import daemon
from garret.local_cloud.background import Background
from garret.local_cloud.clock import Clock
from garret.local_cloud.core import ApiError, Cloud
from garret.local_cloud.faults import Faults
from garret.local_cloud.ros import records
from garret.local_cloud.store import Body, Store
from tests.local_cloud.house import KEY, REGION, House, PaperDriver, until
from tests.local_cloud.ros.stage import Ros, left_over, network, node, template, waiting

ADDRESS = {
    "Address": {"Type": "ALIYUN::VPC::EIP", "Properties": {"InternetChargeType": "PayByTraffic"}},
    "Bound": {
        "Type": "ALIYUN::VPC::EIPAssociation",
        "Properties": {
            "AllocationId": {"Ref": "Address"},
            "InstanceId": {"Fn::Select": [0, {"Fn::GetAtt": ["Node", "InstanceIds"]}]},
        },
    },
}
WHOLE = template(network(**node(), **ADDRESS))
ONE_OF_EACH = {"vpc": 1, "vswitch": 1, "security_group": 1, "instance": 1, "disk": 1, "eip": 1}


class KilledError(Exception):
    """The process is gone: nothing more is written."""


class MortalStore(Store):
    """A store whose process dies at its n-th write; `left` counts down."""

    def __init__(self) -> None:
        super().__init__(None)
        self.left: int | None = None

    def _live(self) -> None:
        if self.left is None:
            return
        if self.left == 0:
            raise KilledError
        self.left -= 1

    def put(self, kind: str, id: str, body: Body, region: str = "") -> None:
        """Write, unless dead."""
        self._live()
        super().put(kind, id, body, region)

    def update(self, kind: str, id: str, **changes: object) -> Body | None:
        """Change, unless dead."""
        self._live()
        return super().update(kind, id, **changes)

    def delete(self, kind: str, id: str) -> bool:
        """Forget, unless dead."""
        self._live()
        return super().delete(kind, id)


def _cloud(store: Store, driver: PaperDriver) -> Cloud:
    return Cloud(store, driver, Clock(), Faults(store), Background(), "http://127.0.0.1:1", KEY)


def _create(cloud: Cloud) -> str:
    params = {"StackName": "demo", "TemplateBody": WHOLE, "ClientToken": "t-1"}
    return str(cloud.call("ROS", "CreateStack", REGION, params)["StackId"])


def _stack(cloud: Cloud) -> dict[str, Any]:
    found = cloud.store.find(records.STACK)
    return found[0] if found else {}


@contextmanager
def _running(store: Store, driver: PaperDriver) -> Iterator[Cloud]:
    cloud = _cloud(store, driver)
    try:
        yield cloud
    finally:
        cloud.background.stop(10)


def _killed_after(store: MortalStore, driver: PaperDriver, writes: int, *, delete: bool) -> bool:
    """Run one action on a server that dies after so many writes; False when it lived to the end."""
    with _running(store, driver) as cloud:
        store.left = writes
        try:
            if delete:
                cloud.call("ROS", "DeleteStack", REGION, {"StackId": _stack(cloud)["id"]})
            else:
                _create(cloud)
            until(lambda: store.left == 0 or not _stack(cloud)["status"].endswith("_IN_PROGRESS"))
        except (KilledError, ApiError):
            pass
        dead = store.left == 0
        cloud.background.stop(10)
    store.left = None
    return dead


# Every write is a point where it can die; a stride of 1 tries them all (a minute), this one every fourth.
STRIDE = 4


def test_killed_while_creating(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever the write at which the server dies, the stack ends complete with one of each thing."""
    writes = 1
    while True:
        store, driver = MortalStore(), PaperDriver()
        dead = _killed_after(store, driver, writes, delete=False)
        with _running(store, driver) as cloud:
            cloud.recover()
            _create(cloud)  # as a client does that heard no answer
            until(lambda cloud=cloud: not _stack(cloud)["status"].endswith("_IN_PROGRESS"))  # type: ignore[misc]
            assert _stack(cloud)["status"] == "CREATE_COMPLETE", (writes, _stack(cloud)["status_reason"])
            kinds = {kind: len(store.find(kind)) for kind in ONE_OF_EACH}
            assert kinds == ONE_OF_EACH, writes
            assert len(store.find(records.STACK)) == 1
        if not dead:
            break
        writes += STRIDE
    assert writes > 20  # it died often enough to mean something
    capfd.readouterr()  # the dying server's tracebacks


def test_killed_while_deleting(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever the write at which the server dies, the stack ends deleted and nothing is left."""
    writes = 1
    while True:
        store, driver = MortalStore(), PaperDriver()
        with _running(store, driver) as cloud:
            _create(cloud)
            until(lambda cloud=cloud: _stack(cloud)["status"] == "CREATE_COMPLETE")  # type: ignore[misc]
        dead = _killed_after(store, driver, writes, delete=True)
        with _running(store, driver) as cloud:
            cloud.recover()
            until(lambda cloud=cloud: not _stack(cloud)["status"].endswith("_IN_PROGRESS"))  # type: ignore[misc]
            if _stack(cloud)["status"] != records.GONE:
                cloud.call("ROS", "DeleteStack", REGION, {"StackId": _stack(cloud)["id"]})
                until(lambda cloud=cloud: not _stack(cloud)["status"].endswith("_IN_PROGRESS"))  # type: ignore[misc]
            assert _stack(cloud)["status"] == records.GONE, (writes, _stack(cloud)["status_reason"])
            assert {kind: store.find(kind) for kind in ONE_OF_EACH if store.find(kind)} == {}, writes
        if not dead:
            break
        writes += STRIDE
    assert writes > 10
    capfd.readouterr()


def test_waiting_goes_on_on_another_server() -> None:
    """A stack that waits for its node goes on waiting after a restart, and the old address still takes the signal."""
    driver, store = PaperDriver(), Store(None)
    text = template(network(**waiting()), Outputs={"Url": {"Value": {"Fn::GetAtt": ["Handle", "URL"]}}})
    first = House(driver, store=store)
    first.__enter__()
    stack_id = Ros(first).create(text)
    until(lambda: ("Ready", "CREATE_IN_PROGRESS") in Ros(first).events(stack_id))
    path = Ros(first).outputs(stack_id)["Url"].split(f":{first.port}")[1]
    first.cloud.background.stop()
    assert records.stack(first.cloud, stack_id, REGION)["status"] == "CREATE_IN_PROGRESS"
    with House(driver, store=store) as second:
        second.cloud.recover()
        assert second.http("POST", path, b'{"status": "SUCCESS", "id": "node"}')[0] == 200
        assert Ros(second).settled(stack_id).status == "CREATE_COMPLETE"
        assert left_over(second) == {"vpc": 1, "vswitch": 1}
        first._server.should_exit = True


def test_kill_nine_of_the_real_server(tmp_path: Path) -> None:
    """The server that people start is killed in the middle of a creation; the next one finishes it, once."""
    from alibabacloud_ros20190910.client import Client
    from alibabacloud_tea_openapi.models import Config

    record = daemon.up(tmp_path)
    try:
        config = Config(
            access_key_id=record.access_key_id, access_key_secret=record.access_key_secret, protocol="http",
            endpoint=record.endpoint.removeprefix("http://"), region_id=REGION, read_timeout=20_000,
        )  # fmt: skip
        ros = Ros.__new__(Ros)
        ros.client = Client(config)
        stack_id = ros.create(template(network(**waiting())), client_token="t-1")
        assert record.pid is not None
        os.kill(record.pid, signal.SIGKILL)
        again = daemon.up(tmp_path)
        assert (again.endpoint, again.pid != record.pid) == (record.endpoint, True)
        assert ros.create(template(network(**waiting())), client_token="t-1") == stack_id
        until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id))
        ros.ask("signal_resource", stack_id=stack_id, logical_resource_id="Ready", status="SUCCESS", unique_id="1")
        assert ros.settled(stack_id).status == "CREATE_COMPLETE"
        made = [status for name, status in ros.events(stack_id) if name == "Vpc"]
        assert made == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    finally:
        daemon.down(tmp_path)


def test_stacks_of_an_older_server() -> None:
    """A stack written before updates existed is completed with what it lacks, and can be updated and deleted."""
    driver, store = PaperDriver(), Store(None)
    with _running(store, driver) as cloud:
        _create(cloud)
        until(lambda: _stack(cloud)["status"] == "CREATE_COMPLETE")
    for kind, names in (
        (records.STACK, ("parallelism", "begun", "update", "cancel")),
        (records.RESOURCE, ("slot", "tags", "tried", "unsure")),
    ):
        for id, body in store.pairs(kind):
            store.put(kind, id, {key: value for key, value in body.items() if key not in names}, REGION)
    with _running(store, driver) as cloud:
        cloud.recover()
        cloud.call("ROS", "DeleteStack", REGION, {"StackId": _stack(cloud)["id"]})
        until(lambda: _stack(cloud)["status"] == records.GONE)
        assert {kind: store.find(kind) for kind in ONE_OF_EACH if store.find(kind)} == {}
