"""An owner's bounds of what one request asks: kept at the door, and never above what an engine is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from garret.service_runtime.asked import Hires, Refiner
from garret.service_runtime.bounds import check_bounds
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.inputs import MAXIMUM_PIXELS
from garret.service_runtime.limits import MAXIMUM_PICTURES, MAXIMUM_PROMPT, MAXIMUM_SIDE, MAXIMUM_STEPS
from garret.service_runtime.settings import ServiceSettings, SettingsError
from tests.service_runtime.asking import ask
from tests.service_runtime.living import fake_settings, serving

TIGHT = ServiceSettings(most_pictures=2, most_steps=10, longest_side=512, longest_prompt=20)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("steps", {"steps": 11}),
        ("hires.steps", {"hires": Hires(scale=2, steps=11)}),
        ("hires", {"hires": Hires(scale=2.5)}),
        ("hires", {"hires": Hires(width=64, height=1032)}),
        ("hires.prompt", {"hires": Hires(prompt="x" * 21)}),
        ("hires.negative_prompt", {"hires": Hires(negative_prompt="x" * 21)}),
        ("refiner.steps", {"refiner": Refiner(steps=11)}),
        ("n_iter", {"batch_size": 3}),
        ("width", {"width": 520}),
        ("height", {"height": 520}),
        ("prompt", {"prompt": "x" * 21}),
        ("negative_prompt", {"negative_prompt": "x" * 21}),
    ],
)
def test_more_than_the_owner_allows_is_refused_by_its_field(field: str, changes: dict[str, object]) -> None:
    """And what is within bounds passes."""
    fine = replace(ask(), width=512, height=64, steps=10, prompt="a red circle")
    check_bounds(fine, TIGHT)
    check_bounds(replace(fine, hires=Hires(scale=2, steps=10)), TIGHT)
    with pytest.raises(BadRequest) as caught:
        check_bounds(replace(fine, **changes), TIGHT)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert "at most" in caught.value.hint


def test_the_defaults_are_the_engines_own_bounds() -> None:
    """The settings stand alone, for a bootstrap that has no engine, and agree with them."""
    defaults = ServiceSettings()
    assert (defaults.most_pictures, defaults.most_steps) == (MAXIMUM_PICTURES, MAXIMUM_STEPS)
    assert (defaults.longest_side, defaults.longest_prompt) == (MAXIMUM_SIDE, MAXIMUM_PROMPT)
    assert defaults.picture_pixels == MAXIMUM_PIXELS


def test_no_bound_is_wider_than_the_engines() -> None:
    """The variable is named, with what it may be."""
    with pytest.raises(SettingsError, match="GARRET_SERVICE_MOST_STEPS: must be 1 to 150"):
        ServiceSettings(most_steps=151)


def test_a_door_keeps_the_bounds(tmp_path: Path) -> None:
    """Steps in any dialect, and the bytes of a body that brings pictures."""
    with serving(fake_settings(tmp_path, most_steps=3, picture_body_bytes=1_000_000)) as service:
        assert service.txt2img(prompt="x", steps=3).status == 200
        refused = service.txt2img(prompt="x", steps=4)
        assert (refused.status, refused.json["field"]) == (422, "steps")
        assert service.call("PUT", "/v1/inputs", b"x" * 1_000_001).status == 413
