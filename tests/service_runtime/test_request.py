"""A request within the limits passes; any other is refused naming its field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from garret.service_runtime.errors import BadRequest, UnknownChoice
from garret.service_runtime.limits import MAXIMUM_SEED
from garret.service_runtime.request import ImageRequest

GOOD: dict[str, Any] = {
    "checkpoint": "demo",
    "prompt": "a red circle",
    "width": 128,
    "height": 128,
    "steps": 8,
    "cfg_scale": 3.0,
    "seed": 1,
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 56),
        ("width", 2056),
        ("width", 100),
        ("height", True),
        ("height", 10**400),
        ("steps", 0),
        ("steps", 151),
        ("batch_size", 5),
        ("n_iter", 17),
        ("cfg_scale", float("nan")),
        ("cfg_scale", -1.0),
        ("cfg_scale", 51.0),
        ("seed", -1),
        ("seed", 2**63),
        ("prompt", "x" * 16_001),
        ("prompt", "\ud800"),
        ("prompt", "a\0b"),
        ("negative_prompt", "\udfff"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any) -> None:
    """Each limit has its own refusal."""
    with pytest.raises(BadRequest) as caught:
        ImageRequest(**{**GOOD, field: value})
    assert caught.value.field == field
    assert caught.value.status == 422


def test_a_request_makes_at_most_sixteen_pictures() -> None:
    """Batch size and iterations multiply."""
    assert ImageRequest(**GOOD, batch_size=4, n_iter=4).count == 16
    with pytest.raises(BadRequest, match="20 pictures"):
        ImageRequest(**GOOD, batch_size=4, n_iter=5)


def test_the_nearest_good_side_is_offered() -> None:
    """Who asks for 100 pixels learns what to type."""
    with pytest.raises(BadRequest) as caught:
        ImageRequest(**{**GOOD, "width": 1003})
    assert caught.value.hint == "Try 1000"


@given(some.integers(0, MAXIMUM_SEED), some.integers(0, 15))
def test_every_picture_has_a_seed_that_a_request_may_name(seed: int, index: int) -> None:
    """So each picture of a batch can be asked for alone."""
    assert 0 <= ImageRequest(**{**GOOD, "seed": seed}).seed_of(index) <= MAXIMUM_SEED


def test_a_request_survives_the_record() -> None:
    """A job on disk is the request that was accepted."""
    request = ImageRequest(**GOOD, negative_prompt="ä", n_iter=3)
    assert ImageRequest.from_dict(request.to_dict()) == request


def test_samplers_and_schedules_are_known_or_refused_at_the_door() -> None:
    """Under the record's own names, those of a second pass as well."""
    for fields, name in (
        ({"sampler": "Elder"}, "sampler"),
        ({"schedule": "cosine"}, "schedule"),
        ({"hires": {"sampler": "Restart"}}, "hires.sampler"),
        ({"hires": {"schedule": "cosine"}}, "hires.schedule"),
    ):
        with pytest.raises(UnknownChoice) as caught:
            ImageRequest.from_dict({**GOOD, **fields})
        assert caught.value.field == name
