"""A local cloud on a free port of loopback, in this process, and the vendor's SDK clients that talk to it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from garret.local_cloud.background import Background
from garret.local_cloud.clock import Clock
from garret.local_cloud.core import Cloud
from garret.local_cloud.faults import Faults
from garret.local_cloud.listening import configuration
from garret.local_cloud.nodes.driver import (
    Doors,
    Driver,
    DriverError,
    FileThere,
    NodeRequest,
    NoGroup,
    NoUser,
    Rule,
    RunResult,
)
from garret.local_cloud.server import application
from garret.local_cloud.store import Store

KEY, SECRET = "LOCAL-CLOUD-tests", "local-cloud-only-tests"
REGION = "cn-hangzhou"
TYPE = "ecs.gn7i-c16g1.4xlarge"
FAMILY = "acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda"


@dataclass
class PaperDriver:
    """Nodes that exist on paper only: it writes down what the cloud asked of it."""

    name: str = "paper"
    proves: str = "nothing about nodes"
    nodes: dict[str, NodeRequest] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    addresses: dict[str, str | None] = field(default_factory=dict)
    files: dict[tuple[str, str], tuple[bytes, int]] = field(default_factory=dict)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    commands: list[tuple[str, bytes, int, str, str]] = field(default_factory=list)
    result: RunResult = field(default_factory=lambda: RunResult(0, b"done\n"))
    stops: list[tuple[str, bool]] = field(default_factory=list)
    boot_error: str = ""
    users: tuple[str, ...] = ("root", "painter")
    names: list[str] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)
    rules: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    thawed: list[tuple[str, str]] = field(default_factory=list)

    def create(self, node: NodeRequest) -> None:
        """Write the node down."""
        self.nodes[node.instance_id] = node

    def boot(self, instance_id: str) -> None:
        """Let it run, or refuse as told."""
        if self.boot_error:
            raise DriverError(self.boot_error)
        self.running.add(instance_id)

    def stop(self, instance_id: str, force: bool) -> None:
        """Let it stop."""
        self.stops.append((instance_id, force))
        self.running.discard(instance_id)

    def destroy(self, instance_id: str) -> None:
        """Cross it out."""
        self.running.discard(instance_id)
        self.nodes.pop(instance_id, None)

    def alive(self, instance_id: str) -> bool:
        """Say whether it runs."""
        return instance_id in self.running

    def run(
        self, instance_id: str, command: bytes, timeout_s: int, user: str, directory: str, *, name: str = ""
    ) -> RunResult:
        """Note the command and give the result it was told to give."""
        self.commands.append((instance_id, command, timeout_s, user, directory))
        self.names.append(name)
        if user not in self.users:
            raise NoUser(f"no user {user!r}")
        return self.result

    def end(self, instance_id: str, name: str) -> None:
        """Note what was to end."""
        self.ended.append((instance_id, name))

    def put(
        self,
        instance_id: str,
        path: str,
        content: bytes,
        mode: int,
        overwrite: bool,
        *,
        owner: str = "root",
        group: str = "root",
    ) -> None:
        """Keep the file."""
        if owner not in self.users:
            raise NoUser(f"no user {owner!r}")
        if group not in self.users:
            raise NoGroup(f"no group {group!r}")
        if (instance_id, path) in self.files and not overwrite:
            raise FileThere(f"{path} is there already")
        self.files[instance_id, path] = content, mode
        self.owners[instance_id, path] = f"{owner}:{group}"

    def console(self, instance_id: str) -> bytes:
        """Say that it is made of paper."""
        return b"\x1b[1mpaper\x1b[0m node " + instance_id.encode() + b"\n"

    def attach_address(self, instance_id: str, public_ip: str | None) -> None:
        """Note the address."""
        self.addresses[instance_id] = public_ip

    def guard(self, instance_id: str, rules: tuple[Rule, ...]) -> None:
        """Write the rules down."""
        self.rules[instance_id] = rules

    def connect(self, doors: Doors) -> None:
        """Need no doors."""

    def door_url(self, default: str) -> str:
        """Return the server's own address."""
        return default

    def clear(self) -> None:
        """Have nothing to clear."""

    def freeze(self, instance_id: str, image_id: str) -> int:  # noqa: ARG002 - the image is only noted
        """Note the image."""
        self.images.add(image_id)
        return 1 << 30

    def thaw(self, instance_id: str, image_id: str) -> None:
        """Note that the disk went back."""
        self.thawed.append((instance_id, image_id))

    def has_image(self, image_id: str) -> bool:
        """Say whether it was noted."""
        return image_id in self.images

    def drop_image(self, image_id: str) -> None:
        """Cross it out."""
        self.images.discard(image_id)


class Clients:
    """The vendor's SDKs, pointed at a local cloud; key and secret can be others for a call that is to be refused."""

    def __init__(self, host: str, key: str = KEY, secret: str = SECRET) -> None:
        self.host, self.key, self.secret = host, key, secret

    def ecs(self, secret: str = "", key: str = "", token: str | None = None) -> Any:
        """Return the vendor's typed ECS client (version 3 signatures)."""
        from alibabacloud_ecs20140526.client import Client

        return Client(self.config(secret, key, token))

    def call(self, action: str, **fields: Any) -> dict[str, Any]:
        """Call ECS through its typed client; the fields are those of the SDK's request, the reply its body as a map."""
        from alibabacloud_ecs20140526 import models

        request = getattr(models, f"{action}Request")().from_map(fields)
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
        reply: dict[str, Any] = getattr(self.ecs(), method)(request).body.to_map()
        return reply

    def config(self, secret: str = "", key: str = "", token: str | None = None) -> Any:
        """Return the settings of a typed client."""
        from alibabacloud_tea_openapi.models import Config

        return Config(
            access_key_id=key or self.key, access_key_secret=secret or self.secret, security_token=token,
            endpoint=self.host, protocol="http", region_id=REGION, read_timeout=20_000,
        )  # fmt: skip

    def common(
        self, version: str, action: str, secret: str = "", key: str = "", method: str = "POST", **params: str
    ) -> dict[str, Any]:
        """Send a call of the vendor's older SDK (version 1 signatures); "__" in a name stands for a dot."""
        from aliyunsdkcore.client import AcsClient
        from aliyunsdkcore.request import CommonRequest

        request = CommonRequest(domain=self.host, version=version, action_name=action)
        request.set_method(method)
        for name, value in params.items():
            request.add_query_param(name.replace("__", "."), value)
        client = AcsClient(key or self.key, secret or self.secret, REGION, timeout=20)
        reply: dict[str, Any] = json.loads(client.do_action_with_exception(request))
        return reply

    def vpc(self, action: str, **params: str) -> dict[str, Any]:
        """Call VPC."""
        return self.common("2016-04-28", action, RegionId=REGION, **params)

    def ram(self, action: str, **params: str) -> dict[str, Any]:
        """Call RAM, which knows no regions."""
        return self.common("2015-05-01", action, **params)

    def oos(self, action: str, **params: str) -> dict[str, Any]:
        """Call OOS."""
        return self.common("2019-06-01", action, RegionId=REGION, **params)


class House(Clients):
    """One server and its clients."""

    def __init__(
        self,
        driver: Driver,
        clock: Clock | None = None,
        store: Store | None = None,
        cloud_type: type[Cloud] = Cloud,
    ) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        super().__init__(f"127.0.0.1:{self.port}")
        self.store = store or Store(None)
        self.cloud = cloud_type(
            self.store, driver, clock or Clock(), Faults(self.store), Background(), f"http://{self.host}", KEY
        )
        config = configuration(application(self.cloud, {KEY: SECRET}))
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True)

    def __enter__(self) -> House:
        """Serve."""
        self._thread.start()
        until(lambda: self._server.started)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving, and end what goes on in the background."""
        self._server.should_exit = True
        self._thread.join(10)
        self.cloud.background.stop()
        self._listener.close()
        self.store.close()

    def http(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Send a plain request and return the status and the JSON of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def own(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Use one of the local cloud's own doors with its secret."""
        data = b"" if body is None else json.dumps(body).encode()
        status, reply = self.http(method, path, data, {"x-garret-secret": SECRET})
        assert status == 200, reply
        return reply


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait for a condition, and fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def code_of(error: BaseException) -> str:
    """Return the vendor's error code of what either SDK raised."""
    return str(getattr(error, "code", None) or getattr(error, "error_code", ""))
