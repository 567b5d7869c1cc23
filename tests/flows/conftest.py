"""Houses for the flows; each is taken down again, whatever happened in it.

Between `garret` and its local cloud stands a door that holds every request against the vendor's API tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contract.recorder import recording
from tests.flows.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house with nothing in it."""
    with house_at(tmp_path / "home") as house:
        yield house


@contextmanager
def house_at(home: Path, driver: str = "process") -> Iterator[House]:
    """A house with nothing in it, for as many tests as one likes."""
    with recording(lambda: cloud_of(home)) as record:
        house = House(home, record.url, driver)
        try:
            yield house
        finally:
            house.run("local", "down")
    assert record.faults == []


def cloud_of(home: Path) -> str:
    """Where the local cloud of a home answers now."""
    return str(json.loads((home / "local-cloud" / "cloud.json").read_text("utf-8"))["endpoint"])
