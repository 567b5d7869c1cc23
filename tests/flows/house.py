"""A whole house for a test: a home of its own, the installed `garret` command, and what the official SDK sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from garret.settings import PRODUCTS

GARRET = str(Path(sys.executable).with_name("garret"))
DEPLOY = ("deploy", "--cloud", "local", "--region", "cn-hangzhou", "--instance-type", "ecs.gn7i-c16g1.4xlarge", "--yes")


@dataclass(frozen=True)
class House:
    """One GARRET_HOME and the commands run in it; `door` is where they find the cloud, if not at the cloud itself."""

    home: Path
    door: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a person who has set nothing but the home."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GARRET_", "ALIBABA_"))}
        doors = {f"GARRET_ENDPOINT_{product.upper()}": self.door for product in PRODUCTS if self.door}
        return kept | doors | {"GARRET_HOME": str(self.home), "GARRET_CLOUD": "local", "OMP_NUM_THREADS": "1"}

    def run(self, *arguments: str, timeout: float = 240, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one garret command and return what it printed, whatever its exit code."""
        return subprocess.run(
            [GARRET, *arguments],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def garret(self, *arguments: str, timeout: float = 240, **environment: str) -> str:
        """Run one garret command that must succeed; the failure shows all that it said."""
        done = self.run(*arguments, timeout=timeout, **environment)
        assert done.returncode == 0, (
            f"garret {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout

    def json(self, *arguments: str, **environment: str) -> Any:
        """Run one garret command with --json and return what it said."""
        return json.loads(self.garret(*arguments, "--json", **environment))

    def stacks(self) -> list[Any]:
        """The stacks that are there, as the official SDK sees them."""
        client = self._client("alibabacloud_ros20190910")
        from alibabacloud_ros20190910 import models

        request = models.ListStacksRequest(region_id="cn-hangzhou", page_size=50)
        return [stack for stack in client.list_stacks(request).body.stacks or [] if stack.status != "DELETE_COMPLETE"]

    def instances(self) -> list[Any]:
        """The instances that are there, as the official SDK sees them."""
        client = self._client("alibabacloud_ecs20140526")
        from alibabacloud_ecs20140526 import models

        reply = client.describe_instances(models.DescribeInstancesRequest(region_id="cn-hangzhou"))
        return list(reply.body.instances.instance or [])

    def billed(self) -> list[Any]:
        """What the local cloud bills at this moment, by its own book."""
        cloud = self.json("local", "up")
        request = urllib.request.Request(f"{cloud['endpoint']}/_garret/bill")
        request.add_header("x-garret-secret", cloud["access_key_secret"])
        with urllib.request.urlopen(request, timeout=10) as reply:
            return list(json.load(reply)["lines"])

    def calls(self, access: str) -> int:
        """How many calls of a kind, "read" or "write", the local cloud has answered."""
        cloud = self.json("local", "up")
        request = urllib.request.Request(f"{cloud['endpoint']}/_garret/calls")
        request.add_header("x-garret-secret", cloud["access_key_secret"])
        with urllib.request.urlopen(request, timeout=10) as reply:
            return sum(call["access"] == access for call in json.load(reply)["calls"])

    def _client(self, package: str) -> Any:
        from importlib import import_module

        from alibabacloud_tea_openapi.models import Config

        cloud = self.json("local", "up")
        config = Config(
            access_key_id=cloud["access_key_id"],
            access_key_secret=cloud["access_key_secret"],
            endpoint=cloud["endpoint"].removeprefix("http://"),
            protocol="http",
            region_id="cn-hangzhou",
        )
        return import_module(f"{package}.client").Client(config)
