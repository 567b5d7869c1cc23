"""The table of samplers: names, aliases and schedules of the dialects."""

from __future__ import annotations

import pytest

from garret.service_runtime.asked import Noise
from garret.service_runtime.errors import UnknownChoice
from garret.service_runtime.samplers import DIALECTS, NEAREST, SAMPLERS, SCHEDULES, find_sampler, unused_noise


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


@pytest.mark.parametrize(("text", "schedule"), [("Elder", ""), ("", ""), ("Euler", "cosine"), ("euler", "")])
def test_an_unknown_word_is_refused_with_the_known_ones(text: str, schedule: str) -> None:
    """400, as A1111 answers."""
    with pytest.raises(UnknownChoice) as caught:
        find_sampler(text, schedule)
    assert caught.value.status == 400


def test_automatic_means_what_a1111_does() -> None:
    """DPM++ 2M goes with Karras' spacing, the SDEs with an exponential one."""
    assert {find_sampler(name)[0].automatic for name in ("DPM++ 2M", "DPM++ SDE", "DPM2 a")} == {"karras"}
    assert find_sampler("DPM++ 2M SDE")[0].automatic == "exponential"
    assert find_sampler("Euler")[0].automatic == "model"


def test_names_and_aliases_are_unique() -> None:
    """A word means one sampler, and the words of the other dialects mean one that there is."""
    words = [word for sampler in SAMPLERS for word in (sampler.name, *sampler.aliases)]
    assert len(words) == len(set(words))
    assert not set(words) & (set(DIALECTS) | set(NEAREST))
    for word, (name, schedule) in DIALECTS.items():
        sampler, found = find_sampler(word)
        assert (sampler.name, found.name) == (name, schedule)
    labels = [word for entry in SCHEDULES for word in (entry.label, *entry.aliases)]
    assert len(labels) == len(set(labels))


def test_every_name_of_the_dialects_is_known_or_told_the_nearest() -> None:
    """Those of Stability's demo and services, of A1111 and Forge, of diffusers."""
    stability = "DDIM DDPM K_DPMPP_SDE K_DPMPP_2M K_DPMPP_2S_ANCESTRAL K_DPM_2 K_DPM_2_ANCESTRAL K_EULER K_HEUN K_LMS"
    demo = "EulerEDM HeunEDM EulerAncestral DPMPP2SAncestral DPMPP2M LinearMultistep"
    known = [*stability.split(), "K_EULER_ANCESTRAL", *(f"{name}Sampler" for name in demo.split())]
    a1111 = (
        "DPM++ 2M, DPM++ SDE, DPM++ 2M SDE, DPM++ 2M SDE Heun, DPM++ 2S a, DPM++ 3M SDE, Euler a, Euler, LMS, Heun, "
        "DPM2, DPM2 a, DPM fast, DPM adaptive, Restart, HeunPP2, IPNDM, IPNDM_V, DEIS, DDIM, DDIM CFG++, PLMS, UniPC, "
        "LCM"
    )
    for name in (*known, *a1111.split(", ")):
        if name in NEAREST:
            with pytest.raises(UnknownChoice, match="not found") as caught:
                find_sampler(name)
            assert f"The nearest is {NEAREST[name]!r}" in caught.value.hint
        else:
            find_sampler(name)
    for name in NEAREST.values():
        assert find_sampler(name) if name != "Align Your Steps" else find_sampler("Euler", name)


def test_a_schedule_that_is_named_wins_over_the_one_implied() -> None:
    """A sampler of Stability's demo has the demo's spacing unless another one is named."""
    assert find_sampler("EulerEDMSampler")[1].name == "legacy_ddpm"
    assert find_sampler("EulerEDMSampler", "EDMDiscretization")[1].name == "edm"
    assert find_sampler("DPM++ 2M SDE Exponential")[1].name == "exponential"
    assert find_sampler("DPM++ 2M SDE Heun Karras")[0].name == "DPM++ 2M SDE Heun"
    assert find_sampler("Euler SGM Uniform")[1].name == "sgm_uniform"


def test_noise_that_a_sampler_does_not_take_is_named() -> None:
    """Only where something was asked for: a client that sends every field's habit has asked for nothing."""
    samplers = {entry.name: entry for entry in SAMPLERS}
    assert unused_noise(samplers["DPM++ 2M"], Noise(eta=0.5, s_churn=2.0, s_noise=1.1)) == ("eta", "s_churn", "s_noise")
    assert unused_noise(samplers["Euler"], Noise(eta=0.5, s_churn=2.0, s_noise=1.1)) == ("eta",)
    assert unused_noise(samplers["Euler a"], Noise(eta=1.0, s_tmax=3.0)) == ()
    assert unused_noise(samplers["PLMS"], Noise()) == unused_noise(samplers["PLMS"], Noise(eta=1.0)) == ()
