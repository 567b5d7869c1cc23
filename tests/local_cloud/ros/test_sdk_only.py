"""The example that uses nothing but the vendor's SDKs runs against the local cloud."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

from tests.local_cloud.house import KEY, SECRET, House
from tests.local_cloud.ros.stage import left_over

SCRIPT = Path(__file__).parents[3] / "examples" / "sdk_only.py"


def _run(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environment},
    )  # fmt: skip


def test_no_garret_inside() -> None:
    """The script imports nothing of garret."""
    nodes = list(ast.walk(ast.parse(SCRIPT.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    assert any(name.startswith("alibabacloud_ros20190910") for name in names)
    assert [name for name in names if name.split(".")[0] == "garret"] == []


def test_create_see_delete(house: House, tmp_path: Path) -> None:
    """Create, see and delete a VPC and a VSwitch; a proxy in the environment does no harm."""
    done = _run(
        tmp_path, GARRET_ENDPOINT_ROS=f"http://{house.host}", HTTP_PROXY="http://127.0.0.1:9",
        ALIBABA_CLOUD_ACCESS_KEY_ID=KEY, ALIBABA_CLOUD_ACCESS_KEY_SECRET=SECRET,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CREATE_COMPLETE" in done.stdout
    assert "VSwitch: ALIYUN::ECS::VSwitch vsw-" in done.stdout
    assert left_over(house) == {}
    assert [one["status"] for one in house.store.find("stack")] == ["DELETE_COMPLETE"]


def test_says_what_it_needs(tmp_path: Path) -> None:
    """Without keys it says which variables to set."""
    done = _run(tmp_path)
    assert done.returncode == 2
    assert "GARRET_ENDPOINT_ROS" in done.stdout
