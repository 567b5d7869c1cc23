"""One operation in a process of its own, begun by the service: `apart ID`, its parameters as JSON on the way in."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from garret.service_runtime.executions import ENDED, Execution, ExecutionStore
from garret.service_runtime.operations.run import Run, run_operation
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.wanted import Surroundings


def carry_out(
    store: ExecutionStore, identifier: str, settings: ServiceSettings, parameters: Mapping[str, Any]
) -> Execution:
    """Carry an execution out in this process, unless another one does or it is over."""
    # Whoever looks at a record tries its lock for a moment; that is no reason not to run.
    with store.held(identifier, patience_s=5) as alone:
        execution = store.get(identifier)
        if not alone or execution.status in ENDED:
            return execution
        return run_operation(Run(store, execution, settings, Surroundings()), parameters)


if __name__ == "__main__":
    own = ServiceSettings.from_env(os.environ)
    carry_out(ExecutionStore(own.state_dir / "executions"), sys.argv[1], own, json.load(sys.stdin))
