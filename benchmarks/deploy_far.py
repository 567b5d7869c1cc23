"""`garret deploy` with nothing to change, a cloud 50 ms away, and its own requests sent by a bare interpreter."""

from __future__ import annotations

from typing import Any

from benchmarks.control_plane import DEPLOY, ROS, Far, compare
from benchmarks.report import Report
from garret.ops.wait_ready import PROMPT, SEED


def measure() -> Report:
    """The stack is asked for, then the service whether it is well, then for the picture that proves it."""
    what = "garret deploy, nothing to change / the same HTTP by a bare interpreter, 50 ms away"
    return compare("deploy_far", what, DEPLOY, _waves)


def _waves(place: Far) -> list[list[dict[str, Any]]]:
    picture = place.service("POST", "/sdapi/v1/txt2img", {"prompt": PROMPT, "seed": SEED})
    return [
        [place.api(ROS, "GetStack", StackId=place.stack_id)],
        [place.service("GET", "/readyz")],
        [picture],
    ]
