"""A namespace driver for tests of whole nodes; where this machine has none, `whole_nodes` says why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from garret.local_cloud.nodes.driver import Doors, DriverError, NodeRequest, RunResult
from garret.local_cloud.nodes.namespace.driver import NamespaceDriver
from tests.local_cloud.house import until

TOKEN = "x-aliyun-ecs-metadata-token"


@dataclass
class Metadata:
    """What a metadata service must say for cloud-init to believe it; who asked, and with which token."""

    user_data: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def answer(self, vpc: str, source: str, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """Answer one request."""
        self.asked.append((source, method, path))
        if path.endswith("/api/token"):
            return 200, "a-token"
        if headers.get(TOKEN) != "a-token":
            return 403, "no token"
        number = source.rpartition(".")[2]
        known = {"instance-id": f"i-{number}", "hostname": f"node-{number}", "region-id": "cn-hangzhou", "vpc-id": vpc}
        last = path.rstrip("/").rpartition("/")[2]
        if last == "user-data":
            return 200, self.user_data.get(source, "")
        if last == "all":
            return 200, json.dumps(known)
        return (200, known[last]) if last in known else (404, "not found")


@dataclass
class Nodes:
    """Some nodes on one driver."""

    driver: NamespaceDriver
    metadata: Metadata
    folder: Path

    def make(self, number: int, user_data: str = "#cloud-config\n", vpc: str = "vpc-a", **fields: str) -> str:
        """Make and boot a node; returns its id."""
        address = f"192.168.1.{number}"
        self.metadata.user_data[address] = user_data
        node = NodeRequest(
            f"i-{number}", user_data, address, f"node-{number}", vpc_id=vpc, vpc_cidr="192.168.0.0/16",
            vswitch_cidr="192.168.1.0/24", mac=f"00:16:3e:00:00:{number:02x}", **fields,
        )  # fmt: skip
        self.driver.create(node)
        self.driver.boot(node.instance_id)
        return node.instance_id

    def run(self, node: str, script: str, timeout_s: int = 20, user: str = "root") -> RunResult:
        """Run a script there."""
        return self.driver.run(node, script.encode(), timeout_s, user, "/")

    def says(self, node: str, script: str) -> str:
        """Run a script that must succeed and return what it said."""
        done = self.run(node, script)
        assert done.exit_code == 0, done.output.decode()
        return done.output.decode().strip()

    def ready(self, node: str) -> str:
        """Wait until cloud-init and systemd are through; the node."""

        def through() -> bool:
            try:
                return self.run(node, "cloud-init status --wait; systemctl is-system-running --wait").output != b""
            except DriverError:
                return False

        until(through, 60)
        return node


@pytest.fixture
def nodes(tmp_path: Path, whole_nodes: None) -> Iterator[Nodes]:
    """A driver in a folder that only root may enter, ended and cleared afterwards."""
    folder = tmp_path / "home" / "nodes"
    folder.mkdir(parents=True)
    (tmp_path / "home").chmod(0o700)
    driver, metadata = NamespaceDriver(folder), Metadata()
    driver.connect(Doors("http://127.0.0.1:9", metadata.answer))
    try:
        yield Nodes(driver, metadata, folder)
    finally:
        for path in list(folder.iterdir()):
            driver.destroy(path.name)
        driver.clear()
