"""What a command may load: the imports are most of what a person waits for when they only look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from garret.ops.deployment import Deployment
from garret.ops.journal import Journal
from garret.settings import PRODUCTS
from tests.ops.aliyun.vendor import vendor_server

SDKS = ("alibabacloud_", "Tea", "darabonba", "aliyunsdkcore", "requests", "urllib3", "aiohttp")
HEAVY = (
    *SDKS,
    *("pydantic", "jinja2", "yaml", "asyncio", "concurrent", "logging", "paramiko", "sqlite3", "starlette", "tarfile"),
    *("garret.templates", "garret.image_bootstrap", "garret.spec"),
)
PROGRAM = """
import json, sys
from garret.cli import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded(*command: str, **environment: str) -> list[str]:
    """The modules that a command has loaded in an interpreter of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GARRET_", "ALIBABA_"))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stdout
    return list(modules)


def among(modules: list[str], names: tuple[str, ...]) -> list[str]:
    """Those modules that are one of these, or inside one."""
    return [one for one in modules if any(one == name or one.startswith((f"{name}.", name)) for name in names)]


@pytest.mark.parametrize("command", [("--help",), ("ops", "--help"), ("local", "--help")])
def test_help_loads_nothing_but_the_command_line(command: tuple[str, ...], tmp_path: Path) -> None:
    """Neither an SDK nor any code of a command."""
    modules = loaded(*command, GARRET_HOME=str(tmp_path))
    assert among(modules, (*HEAVY, "garret.ops", "garret.commands", "garret.local_cloud", "ssl", "http")) == []


def test_status_loads_no_sdk_and_nothing_that_only_makes_things(tmp_path: Path) -> None:
    """A running deployment on Alibaba Cloud, asked about with keys of the environment."""
    remembered = Deployment("garret", Journal(tmp_path / "deployments" / "aliyun" / "garret"))
    remembered.journal.append("planned", region="cn-hangzhou", price=None)
    remembered.journal.append("created", stack_id="stack-1")
    remembered.journal.append("complete", outputs={"InstanceId": "i-1", "EndPoint": "https://203.0.113.7"})
    stack = {"StackId": "stack-1", "StackName": "garret-garret", "Status": "CREATE_COMPLETE"}
    outputs = [{"OutputKey": "InstanceId", "OutputValue": "i-1"}]
    machine = {"InstanceId": "i-1", "Status": "Running"}
    with vendor_server() as vendor:
        vendor.says("GetStack", {**stack, "Outputs": outputs})
        vendor.says("DescribeInstances", {"Instances": {"Instance": [machine]}})
        keys = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "i", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s"}
        doors = {f"GARRET_ENDPOINT_{product.upper()}": vendor.url for product in PRODUCTS}
        modules = loaded("status", "--cloud", "aliyun", "--json", GARRET_HOME=str(tmp_path), **keys, **doors)
        assert sorted(sent.action for sent in vendor.sent) == ["DescribeInstances", "GetStack"]
    assert among(modules, HEAVY) == []


CLIENT = """
import json, sys
for name in ("httpx2", "httpcore2", "anyio", "click", "pydantic", "yaml"):
    sys.modules[name] = None  # as if it were not installed
from garret.client import Client, NotFound, Unreachable
with Client("http://127.0.0.1:1", "t") as client:
    try:
        client.jobs.list()
    except Unreachable:
        print(json.dumps(sorted(sys.modules)))
"""


def test_the_blocking_client_needs_nothing_but_the_standard_library() -> None:
    """Neither what the awaiting one uses, nor the rest of garret."""
    done = subprocess.run([sys.executable, "-c", CLIENT], capture_output=True, text=True, check=True, timeout=60)
    modules = json.loads(done.stdout)
    assert among(modules, ("asyncio", "sqlite3", "torch", "PIL", "numpy", "garret.ops", "garret.service_runtime")) == []
    assert {one.split(".")[1] for one in modules if one.startswith("garret.")} == {"client"}
