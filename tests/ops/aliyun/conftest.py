"""A vendor on loopback, and a session that talks to it with the real SDKs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from garret.ops.aliyun.session import Keys, Session
from garret.settings import PRODUCTS
from tests.ops.aliyun.vendor import StandingClock, Vendor, vendor_server

KEYS = Keys("LTAI0000000000000000test", "a-very-secret-secret")


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """A vendor that answers as the test says."""
    with vendor_server() as running:
        yield running


@pytest.fixture
def clock() -> StandingClock:
    """A clock that does not make tests wait."""
    return StandingClock()


@pytest.fixture
def session(vendor: Vendor, clock: StandingClock) -> Session:
    """A session with all products at that vendor."""
    return Session("cn-hangzhou", dict.fromkeys(PRODUCTS, vendor.url), KEYS, clock)
