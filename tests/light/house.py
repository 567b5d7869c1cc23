"""A local cloud with light nodes in this process, and garret's verbs against it through the real SDKs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from garret.image_bootstrap.bundle import Bundle
from garret.local_cloud import prices
from garret.local_cloud.core import Cloud
from garret.local_cloud.home import Home, new_cloud_file, write_cloud_file
from garret.local_cloud.nodes.processes import start_time
from garret.ops.aliyun.connect import connect
from garret.ops.aliyun.session import Keys
from garret.ops.cloud import Cloud as Roles
from garret.ops.crash import Crash
from garret.ops.delete import Delete
from garret.ops.deploy import Deploy, Wish
from garret.ops.deployment import Deployment, Login
from garret.ops.journal import Journal
from garret.ops.roles import Clock
from garret.settings import PRODUCTS
from tests.light.driver import LightDriver, service_of
from tests.local_cloud.house import KEY, REGION, SECRET, TYPE, House, until
from tests.ops.fake import Listener

BILLABLE = ("instance", "disk", "eip", "snapshot", "nat_gateway")


def tiny_bundle() -> Bundle:
    """A runtime of one piece."""
    data = bytes(range(256))
    return Bundle(data, hashlib.sha256(data).hexdigest(), len(data))


def cheap_login(login: str, password: str | None) -> Login:
    """A login whose hash took no time; nothing here checks passwords."""
    return Login(login, "a-token-of-no-one", f"scrypt$for-tests${password or ''}", password or "made-up-1A")


@dataclass
class LightHouse:
    """A cloud, its nodes, and a home; each verb is one call."""

    cloud_house: House
    driver: LightDriver
    port: int
    home: Path
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the cloud answers."""
        return f"http://{self.cloud_house.host}"

    def roles(self, clock: Clock | None = None, keys: Keys | None = None) -> Roles:
        """The cloud as garret's verbs see it."""
        endpoints = dict.fromkeys(PRODUCTS, self.url)
        return connect("local", REGION, endpoints, keys or Keys(KEY, SECRET), clock, scheme="http")

    def deployment(self, name: str = "garret") -> Deployment:
        """What this home remembers of a deployment."""
        return Deployment(name, Journal(self.home / "deployments/local" / name))

    def deploy(
        self, name: str = "garret", *, roles: Roles | None = None, crash: Crash | None = None, **said: Any
    ) -> dict[str, Any]:
        """Deploy, or finish a deploy."""
        wanted: dict[str, Any] = {"instance_type": TYPE, "service_port": self.port} | self.said | said
        wish = Wish(REGION, wanted)
        work = Deploy(
            roles or self.roles(), self.deployment(name), wish, Listener(), lambda *_: True, crash or Crash(),
            tiny_bundle, make_login=cheap_login,
        )  # fmt: skip
        return work.run()

    def update(
        self, name: str = "garret", *, roles: Roles | None = None, crash: Crash | None = None, **said: Any
    ) -> dict[str, Any]:
        """Change what is deployed."""
        work = Deploy(
            roles or self.roles(), self.deployment(name), Wish(REGION, said), Listener(), lambda *_: True,
            crash or Crash(), tiny_bundle, confirm_update=lambda _: True, make_login=cheap_login,
        )  # fmt: skip
        return work.run()

    def delete(
        self, name: str = "garret", *, roles: Roles | None = None, crash: Crash | None = None, **more: bool
    ) -> dict[str, Any]:
        """Delete."""
        work = Delete(
            roles or self.roles(), self.deployment(name), Listener(), lambda _: True, crash or Crash(), **more
        )
        return work.run()

    def exists(self) -> dict[str, list[str]]:
        """Everything billable that the cloud has, by its own book."""
        store = self.cloud_house.store
        found = {kind: [id for id, _ in store.pairs(kind)] for kind in BILLABLE}
        return {kind: ids for kind, ids in found.items() if ids}

    def billed(self) -> dict[str, float]:
        """What the cloud bills at this moment, by its own book: id to money per hour."""
        return {line["resource"]: line["per_hour"] for line in prices.bill(self.cloud_house.store)["lines"]}

    def stacks(self) -> list[str]:
        """The stacks that are there."""
        return [body["id"] for body in self.cloud_house.store.find("stack") if body["status"] != "DELETE_COMPLETE"]

    def settle(self) -> None:
        """Wait until the cloud does nothing in the background any more but wait for a node's signal."""
        until(self._settled, 20)

    def _settled(self) -> bool:
        house = self.cloud_house
        if any(name.startswith("instance ") for name in house.cloud.background.names()):
            return False
        for stack in house.store.find("stack"):
            if not stack["status"].endswith("_IN_PROGRESS"):
                continue
            parts = house.store.find("stack_resource", stack_id=stack["id"])
            busy = [one["type"] for one in parts if one["status"].endswith("_IN_PROGRESS")]
            if stack["status"] != "CREATE_IN_PROGRESS" or set(busy) != {"ALIYUN::ROS::WaitCondition"}:
                return False
            if any(one["status"] == "INIT_COMPLETE" for one in parts):
                return False
        return True

    def environment(self) -> Mapping[str, str]:
        """The environment of a person whose home this is; this very process plays their local cloud."""
        place = Home(self.home)
        place.make()
        file = new_cloud_file()
        values = {"endpoint": self.url, "port": self.cloud_house.port, "pid": os.getpid()}
        record = type(file)(
            **{
                **vars(file),
                **values,
                "since": start_time(os.getpid()),
                "access_key_id": KEY,
                "access_key_secret": SECRET,
            }
        )
        write_cloud_file(place, record)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GARRET_", "ALIBABA_"))}
        return kept | {"GARRET_HOME": str(self.home), "GARRET_CLOUD": "local"}


@contextmanager
def light_house(home: Path, driver: LightDriver | None = None, cloud_type: type[Cloud] = Cloud) -> Iterator[LightHouse]:
    """A fresh cloud with nothing in it."""
    node = driver or LightDriver()
    with House(node, cloud_type=cloud_type) as house, service_of(node) as port:
        node.cloud = house.cloud
        yield LightHouse(house, node, port, home)
