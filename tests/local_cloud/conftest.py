"""A local cloud for every test of this room: nodes on paper unless a test asks for processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local_cloud.house import House, PaperDriver


@pytest.fixture
def driver() -> PaperDriver:
    """Return a driver whose nodes are on paper."""
    return PaperDriver()


@pytest.fixture
def house(driver: PaperDriver) -> Iterator[House]:
    """Serve a fresh local cloud."""
    with House(driver) as house:
        yield house


@pytest.fixture(scope="session")
def whole_nodes() -> None:
    """Skip where no node can be booted, with the obstacle."""
    from garret.local_cloud.nodes.namespace.trial import trial

    obstacle = trial(lambda _: None)
    if obstacle:
        pytest.skip(f"whole nodes: {obstacle}")
