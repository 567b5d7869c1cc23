"""A node of the local cloud as the platform engineer sees it: commands through Cloud Assistant, and its files."""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.flows.house import House


@dataclass
class OnNode:
    """The one node of a house, asked by the official core SDK."""

    house: House

    @property
    def instance_id(self) -> str:
        """Its instance."""
        return str(self.house.instances()[0].instance_id)

    def run(self, script: str, user: str = "root") -> tuple[int, str]:
        """Run a script there and return its exit code and what it said."""
        given = {
            "RegionId": "cn-hangzhou",
            "Type": "RunShellScript",
            "InstanceId__1": self.instance_id,
            "Timeout": "60",
        }
        told = {"CommandContent": script, "ContentEncoding": "PlainText", "Username": user}
        invoked = self.house.ask("ecs", "RunCommand", **given, **told)["InvokeId"]
        deadline = time.monotonic() + 90
        while True:
            reply = self.house.ask("ecs", "DescribeInvocationResults", InvokeId=invoked)
            result = reply["Invocation"]["InvocationResults"]["InvocationResult"][0]
            if result["InvocationStatus"] not in ("Pending", "Running"):
                return int(result["ExitCode"]), base64.b64decode(result["Output"]).decode("utf-8", "replace").strip()
            assert time.monotonic() < deadline, result
            time.sleep(0.1)

    def says(self, script: str, user: str = "root") -> str:
        """Run a script that must succeed."""
        code, said = self.run(script, user)
        assert code == 0, said
        return said


@dataclass
class PowerCutter:
    """Cuts a node's power each time its bootstrap has died, and boots it again: the cloud's own RebootInstance."""

    house: House
    cuts: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> PowerCutter:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Watch no more."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            for stamp in self.house.home.glob("local-cloud/nodes/*/upper/var/lib/garret/crashed-at"):
                died = stamp.read_text("ascii").rstrip(",").split(",")
                if len(died) > len(self.cuts):
                    self.cuts = died
                    self._cut(stamp)

    def _cut(self, stamp: Path) -> None:
        try:
            told: dict[str, Any] = {"InstanceId": stamp.parents[4].name, "ForceStop": "true"}
            self.house.ask("ecs", "RebootInstance", **told)
        except Exception as error:  # noqa: BLE001 - whatever it was, the test is to hear of it, not a thread's end
            self.trouble.append(str(error))
