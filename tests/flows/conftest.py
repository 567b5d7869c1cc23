"""Houses for the flows; each is taken down again, whatever happened in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.house import PROXIES, House


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house with nothing in it."""
    for name in PROXIES:  # the SDKs, which this process uses as well, know no NO_PROXY
        monkeypatch.delenv(name, raising=False)
    house = House(tmp_path / "home")
    try:
        yield house
    finally:
        house.run("local", "down")
