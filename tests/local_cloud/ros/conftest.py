"""The ROS client of the house."""

from __future__ import annotations

import pytest

from tests.local_cloud.house import House
from tests.local_cloud.ros.stage import Ros


@pytest.fixture
def ros(house: House) -> Ros:
    """Return the typed client."""
    return Ros(house)
