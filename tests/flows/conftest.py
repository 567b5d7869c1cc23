"""Houses for the flows; each is taken down again, whatever happened in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house with nothing in it."""
    house = House(tmp_path / "home")
    try:
        yield house
    finally:
        house.run("local", "down")
