"""A world for the verbs: a fake cloud, and a service on loopback that makes pictures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ops.fake import World, picture_service


@pytest.fixture
def world() -> Iterator[World]:
    """A cloud with nothing in it, whose nodes answer where a service truly is."""
    with picture_service() as (url, asked):
        yield World(endpoint=url, asked=asked)
