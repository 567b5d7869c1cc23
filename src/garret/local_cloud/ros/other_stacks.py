"""Fn::GetStackOutput: what other stacks put out."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import errors, records

DEPTH = 3  # a stack may ask one that asks one
_asking: ContextVar[tuple[str, ...]] = ContextVar("_asking", default=())


def outputs_elsewhere(cloud: Cloud, pseudo: Mapping[str, Any]) -> Callable[[str, str, str], Any]:
    """Answers (stack's name or id, output, region or "") with the output's value; None where there is none (yet)."""

    def output(stack: str, name: str, region: str) -> Any:
        from garret.local_cloud.ros.stack_plan import outputs_of  # which makes plans itself

        living = records.living(cloud, region or str(pseudo.get("Region", "")))
        found = next((one for one in living if stack in (one["id"], one["name"])), None)
        if found is None or not found["status"].endswith("_COMPLETE"):
            return None
        asking = (*_asking.get(), str(pseudo.get("StackName", "")))
        if found["name"] in asking:
            raise errors.circular_dependency([*asking, found["name"]])
        if len(asking) >= DEPTH:
            raise errors.validation_failed(f"Fn::GetStackOutput goes through more than {DEPTH} stacks.")
        token = _asking.set(asking)
        try:
            outputs = outputs_of(cloud, found)
        finally:
            _asking.reset(token)
        return next((one["OutputValue"] for one in outputs if one["OutputKey"] == name), None)

    return output
