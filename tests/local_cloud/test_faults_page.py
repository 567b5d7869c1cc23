"""docs/local-cloud-faults.md is what the code says, and what it tells a reader to type works."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from garret.local_cloud import faults_page
from garret.local_cloud.fault_names import NAMED
from tests.local_cloud.house import SECRET, House

EXAMPLE = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def test_the_page_is_current() -> None:
    """`python -m garret.local_cloud.coverage` would change nothing."""
    assert faults_page.PAGE.read_text("utf-8") == faults_page.page(), "run: python -m garret.local_cloud.coverage"


def test_each_example_works(house: House) -> None:
    """The shell runs each as it stands, the local cloud takes it, and every named fault was on once."""
    examples = EXAMPLE.findall(faults_page.PAGE.read_text("utf-8"))
    assert len(examples) > len(NAMED)
    seen: set[str] = set()
    for example in examples:
        environment = {"ENDPOINT": f"http://{house.host}", "SECRET": SECRET, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(["bash", "-c", example], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{example}\n{done.stdout}{done.stderr}"
        reply: dict[str, Any] = json.loads(done.stdout)
        seen |= {fault["fault"] for fault in reply.get("faults", []) if "fault" in fault}
    assert seen == set(NAMED)
