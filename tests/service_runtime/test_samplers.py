"""The table of samplers: names, aliases and schedules of the dialects."""

from __future__ import annotations

import pytest

from garret.service_runtime.errors import UnknownChoice
from garret.service_runtime.samplers import SAMPLERS, find_sampler, scheduler_options


@pytest.mark.parametrize(
    ("text", "schedule", "expected"),
    [
        ("Euler", "", ("Euler", "automatic")),
        ("k_euler_a", "", ("Euler a", "automatic")),
        ("DPM++ 2M Karras", "", ("DPM++ 2M", "karras")),
        ("DPM++ 2M Karras", "automatic", ("DPM++ 2M", "karras")),
        ("DPM++ 2M", "Karras", ("DPM++ 2M", "karras")),
        ("DPM++ 2M", "normal", ("DPM++ 2M", "normal")),
    ],
)
def test_words_of_the_dialects_are_understood(text: str, schedule: str, expected: tuple[str, str]) -> None:
    """A1111's older clients put the schedule into the sampler's name."""
    sampler, found = find_sampler(text, schedule)
    assert (sampler.name, found.name) == expected


@pytest.mark.parametrize(
    ("text", "schedule"), [("Elder", ""), ("", ""), ("Euler", "cosine"), ("euler", "")]
)
def test_an_unknown_word_is_refused_with_the_known_ones(text: str, schedule: str) -> None:
    """400, as A1111 answers."""
    with pytest.raises(UnknownChoice) as caught:
        find_sampler(text, schedule)
    assert caught.value.status == 400


def test_automatic_means_the_samplers_own_schedule() -> None:
    """DPM++ 2M goes with Karras' spacing, as A1111 has it."""
    assert scheduler_options(*find_sampler("DPM++ 2M"))["use_karras_sigmas"] is True
    assert "use_karras_sigmas" not in scheduler_options(*find_sampler("DPM++ 2M", "Normal"))


def test_names_and_aliases_are_unique() -> None:
    """A word means one sampler."""
    words = [word for sampler in SAMPLERS for word in (sampler.name, *sampler.aliases)]
    assert len(words) == len(set(words))
