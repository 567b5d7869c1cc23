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
    driver: str = "process"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a person who has set nothing but the home."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GARRET_", "ALIBABA_"))}
        doors = {"GARRET_LOCAL_DRIVER": self.driver} | {
            f"GARRET_ENDPOINT_{product.upper()}": self.door for product in PRODUCTS if self.door
        }
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

    @property
    def cloud(self) -> Any:
        """Where the local cloud answers, and its keys; it is started when it is not up."""
        record = self.home / "local-cloud" / "cloud.json"
        known = json.loads(record.read_text("utf-8")) if record.exists() else {}
        # A record outlives its cloud; asking for the cloud itself costs an interpreter each time.
        return known if Path(f"/proc/{known.get('pid')}").exists() else self.json("local", "up")

    def stacks(self, region: str = "cn-hangzhou") -> list[Any]:
        """The stacks that are there, as the official SDK sees them."""
        client = self._client("alibabacloud_ros20190910")
        from alibabacloud_ros20190910 import models

        request = models.ListStacksRequest(region_id=region, page_size=50)
        return [stack for stack in client.list_stacks(request).body.stacks or [] if stack.status != "DELETE_COMPLETE"]

    def instances(self, region: str = "cn-hangzhou") -> list[Any]:
        """The instances that are there, as the official SDK sees them."""
        client = self._client("alibabacloud_ecs20140526")
        from alibabacloud_ecs20140526 import models

        reply = client.describe_instances(models.DescribeInstancesRequest(region_id=region))
        return list(reply.body.instances.instance or [])

    def billed(self) -> list[Any]:
        """What the local cloud bills at this moment, by its own book."""
        return list(self._control("bill")["lines"])

    def calls(self, access: str) -> int:
        """How many calls of a kind, "read" or "write", the local cloud has answered."""
        return sum(call["access"] == access for call in self._control("calls")["calls"])

    def asked(self, action: str) -> int:
        """How often the local cloud was asked for an action."""
        return sum(call["action"] == action for call in self._control("calls")["calls"])

    def faults(self, *faults: dict[str, Any], stock: dict[str, str] | None = None) -> None:
        """Have the local cloud do wrong, by its documented control API."""
        self._control("faults", {"faults": list(faults), "stock": stock or {}})

    def clear_faults(self) -> None:
        """Take all faults away again, and fill all shelves."""
        self._control("faults", method="DELETE")

    def ask(self, product: str, action: str, *, region: str = "cn-hangzhou", **parameters: str) -> Any:
        """Call any action as a program with the official core SDK does; dots in names are written as two underlines."""
        from aliyunsdkcore.auth.credentials import AccessKeyCredential
        from aliyunsdkcore.client import AcsClient
        from aliyunsdkcore.request import CommonRequest

        from garret.ops.aliyun.products import PRODUCTS as VERSIONS

        cloud = self.cloud
        keys = AccessKeyCredential(cloud["access_key_id"], cloud["access_key_secret"])
        request = CommonRequest()
        request.set_domain(cloud["endpoint"].removeprefix("http://"))
        request.set_version(VERSIONS[product].version)
        request.set_action_name(action)
        request.set_method("POST")
        for name, value in ({"RegionId": region} | parameters).items():
            request.add_query_param(name.replace("__", "."), value)
        return json.loads(AcsClient(region_id=region, credential=keys).do_action_with_exception(request))

    def _control(self, door: str, body: object = None, method: str | None = None) -> Any:
        cloud = self.cloud
        data = None if body is None else json.dumps(body).encode("utf-8")
        request = urllib.request.Request(f"{cloud['endpoint']}/_garret/{door}", data, method=method)
        request.add_header("x-garret-secret", cloud["access_key_secret"])
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)

    def _client(self, package: str) -> Any:
        from importlib import import_module

        from alibabacloud_tea_openapi.models import Config

        cloud = self.cloud
        config = Config(
            access_key_id=cloud["access_key_id"],
            access_key_secret=cloud["access_key_secret"],
            endpoint=cloud["endpoint"].removeprefix("http://"),
            protocol="http",
            region_id="cn-hangzhou",
        )
        return import_module(f"{package}.client").Client(config)
