"""A bundle, a stack and a fresh machine for every test of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from garret.image_bootstrap.bundle import Bundle
from tests.image_bootstrap.machine import Machine, Stack, stack_server, tiny_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The real bootstrap with a tiny service."""
    return tiny_bundle(tmp_path_factory.mktemp("package"))


@pytest.fixture
def stack() -> Iterator[Stack]:
    """A wait condition that listens."""
    with stack_server() as stack:
        yield stack


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine that was never started."""
    machine = Machine(tmp_path / "disk")
    yield machine
    machine.switch_off()
