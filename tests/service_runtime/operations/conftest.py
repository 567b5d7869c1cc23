"""A node's operations run in this process, on a disk of their own."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.executions import Execution, ExecutionStore
from garret.service_runtime.fetching import Policy
from garret.service_runtime.operations.run import Run, run_operation
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.transfer import Surroundings
from tests.service_runtime.living import fake_settings


@dataclass
class Bench:
    """A node's disk, and verbs carried out on it."""

    settings: ServiceSettings

    @property
    def root(self) -> Path:
        """The models' root."""
        return self.settings.models_dir

    def run(self, verb: str, **parameters: Any) -> Execution:
        """Carry out a verb to its end."""
        store = ExecutionStore(self.settings.state_dir / "executions")
        execution = store.save(Execution(secrets.token_hex(16), verb, "tests"))
        around = Surroundings(policy=Policy(timeout_s=3), sleep=lambda _: None)
        return run_operation(Run(store, execution, self.settings, around), parameters)

    def output(self, verb: str, **parameters: Any) -> dict[str, Any]:
        """Carry out a verb that must end well."""
        ended = self.run(verb, **parameters)
        assert ended.status == "Success", ended.error
        return ended.output

    def refusal(self, verb: str, **parameters: Any) -> str:
        """Carry out a verb that must fail, and return what it says."""
        ended = self.run(verb, **parameters)
        assert ended.status == "Failed"
        assert ended.error is not None
        return f"{ended.error['message']} | {ended.error['hint']}"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A node with one checkpoint, which may fetch from loopback."""
    return Bench(fake_settings(tmp_path, allow_private_download=True))
