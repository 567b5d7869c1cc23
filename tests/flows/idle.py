"""A deployed node in real time: busy it goes on, idle it stops itself, whoever is away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from garret.errors import GarretError
from garret.ops.autostop import PATH
from garret.ops.deployment import Deployment
from garret.ops.endpoint import Endpoint, endpoint_at
from garret.ops.journal import Journal
from tests.flows.house import House

IDLE_S = 4.0
PROMPT = {"prompt": "a red circle on a blue background", "steps": 4}


def service_of(house: House) -> Endpoint:
    """The node's service, with the deployment's own token and pin."""
    login = Deployment("garret", Journal(house.home / "deployments/local/garret")).login
    assert login is not None
    return endpoint_at(login)


def tell(house: House, idle_s: float) -> None:
    """Have the node wait for seconds where a person may say minutes only."""
    assert service_of(house).put(PATH, {"idle_s": idle_s})["after_s"] == idle_s


def state(house: House) -> tuple[str, str]:
    """Status and mode of the machine."""
    (machine,) = house.instances()
    return str(machine.status), str(machine.stopped_mode)


@contextmanager
def somebody_works(house: House) -> Iterator[list[int]]:
    """Pictures, one after the other, each some seconds after the last; how many came."""
    made: list[int] = []
    over = threading.Event()

    def work() -> None:
        service = service_of(house)
        while not over.wait(IDLE_S / 3):
            try:
                made.append(len(service.pictures(PROMPT)))
            except GarretError:
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield made
    finally:
        over.set()
        thread.join()


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition, or fail saying for what."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.2)


def busy_goes_on_and_idle_stops(house: House) -> None:
    """Three times as long as it would wait alone, a node that is used runs; left alone it stops, unpaid for."""
    tell(house, IDLE_S)
    began = time.monotonic()
    with somebody_works(house) as made:
        while time.monotonic() - began < 3 * IDLE_S or len(made) < 2:
            assert time.monotonic() - began < 240, "waited 240 s for two pictures"
            assert state(house)[0] == "Running", f"it was stopped under somebody who works; {len(made)} pictures"
            time.sleep(0.3)
    wait_for(lambda: state(house)[0] == "Stopped", 60, "the node to stop itself")
    assert state(house)[1] == "StopCharging"
    assert "instance" not in {line["kind"] for line in house.billed()}
    seen = house.json("status")
    assert seen["state"] == "stopped"
    assert "by itself (autostop)" in seen["why"]


def cost_is_the_book(house: House) -> None:
    """What garret says it cost is what the cloud has in its book, to the cent; stopped, it costs nothing more."""
    said = house.json("cost")
    lines = {line["id"]: line["amount"] for line in said["lines"]}
    book: dict[str, float] = {}
    for item in house.ask("bssopenapi", "DescribeInstanceBill", BillingCycle=said_month())["Data"]["Items"]:
        book[item["InstanceID"]] = book.get(item["InstanceID"], 0.0) + float(item["PretaxAmount"])
    assert set(lines) <= set(book)
    for identity, amount in lines.items():
        assert abs(amount - book[identity]) < 0.005, json.dumps([lines, book])
    assert said["stopped_hours"] > 0
    assert said["saved"] > 0


def said_month() -> str:
    """The month of the bill, which is Beijing's."""
    return time.strftime("%Y-%m", time.gmtime(time.time() + 8 * 3600))
