"""ALIYUN::ECS::RunCommand on a node that is a process: the script really runs there."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from garret.local_cloud.nodes.process import ProcessDriver
from tests.local_cloud.house import House
from tests.local_cloud.ros.changing import made
from tests.local_cloud.ros.resources.test_machine_types import FIRST
from tests.local_cloud.ros.resources.test_network_types import outputs, resource
from tests.local_cloud.ros.stage import Ros, network, node, template


@pytest.mark.skipif(not Path("/proc").exists(), reason="process nodes are looked after by /proc")
def test_a_script_runs_on_the_node(tmp_path: Path) -> None:
    """What the script writes is on the node's disk and in the output that the stack tells."""
    driver = ProcessDriver(tmp_path / "nodes")
    script = 'cd "$GARRET_PREFIX" && mkdir -p var/lib && echo made > var/lib/mark && echo "on $GARRET_PREFIX"'
    run = resource(
        "ALIYUN::ECS::RunCommand", InstanceIds=[FIRST], Type="RunShellScript", CommandContent=script, Sync=True,
        Timeout=60,
    )  # fmt: skip
    try:
        with House(driver) as house:
            ros = Ros(house)
            text = template(
                network(**node(HostName="demo"), Run=run), Outputs=outputs(Results=("Run", "InvokeResults"))
            )
            stack_id = made(ros, text)
            (result,) = ros.outputs(stack_id)["Results"]
            disk = tmp_path / "nodes" / result["InstanceId"] / "disk"
            assert base64.b64decode(result["Output"]).decode() == f"on {disk}\n"
            assert (disk / "var/lib/mark").read_text(encoding="utf-8") == "made\n"
    finally:
        for folder in (tmp_path / "nodes").glob("*"):
            driver.destroy(folder.name)
