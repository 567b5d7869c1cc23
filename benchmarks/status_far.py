"""`garret status` against a cloud 50 ms away, and against its own requests sent by a bare interpreter."""

from __future__ import annotations

from typing import Any

from benchmarks.control_plane import ECS, ROS, Far, compare
from benchmarks.report import Report


def measure() -> Report:
    """Stack, machine and service are asked at once: one round trip is on the critical path."""
    return compare("status_far", "garret status / the same HTTP by a bare interpreter, 50 ms away", ["status"], _waves)


def _waves(place: Far) -> list[list[dict[str, Any]]]:
    stack = place.api(ROS, "GetStack", StackId=place.stack_id)
    machine = place.api(ECS, "DescribeInstances", InstanceIds=f'["{place.facts["instance_id"]}"]')
    return [[stack, machine, place.service("GET", "/readyz")]]
