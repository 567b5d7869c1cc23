"""Spacings of the noise levels, against numbers worked out from the published formulas apart from this code.

SDXL's betas are the squares of 1000 even steps from sqrt(0.00085) to sqrt(0.012); a timestep's sigma is the root of
(1 - a) / a where a is the product of one minus each beta up to it.
"""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from garret.service_runtime.asked import Noise
from garret.service_runtime.engine.beta import beta_quantile
from garret.service_runtime.engine.levels import Levels
from garret.service_runtime.engine.sigmas import SPACINGS, spaced
from garret.service_runtime.engine.solvers import SOLVERS
from garret.service_runtime.samplers import SAMPLERS, SCHEDULES, find_sampler

SDXL = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
LEVELS = Levels(SDXL)
BY_HAND = {
    "karras": (14.61464, 4.79653, 1.2741, 0.24795, 0.02917),
    "edm": (14.61464, 6.97485, 2.60736, 0.59715, 0.02917),
    "exponential": (14.61464, 3.08898, 0.65289, 0.138, 0.02917),
    "polyexponential": (14.61464, 3.08898, 0.65289, 0.138, 0.02917),
    "normal": (14.61464, 4.08608, 1.61558, 0.69515, 0.02917),
    "uniform": (14.61464, 4.08608, 1.61558, 0.69515, 0.02917),
    "sgm_uniform": (14.61464, 5.09241, 2.27973, 1.16286, 0.57119),
    "legacy_ddpm": (14.61464, 5.08776, 2.27646, 1.16058, 0.56928),
    "simple": (14.61464, 5.08776, 2.27646, 1.16058, 0.56928),
    "ddim": (5.13443, 2.29285, 1.16822, 0.57405, 0.04131),
    "beta": (14.61464, 12.05226, 7.3219, 2.59155, 0.02917),
    "kl_optimal": (14.61464, 2.14274, 0.96159, 0.41984, 0.02917),
    "align_your_steps": (14.615, 2.86785, 0.862, 0.29819, 0.029),
    "turbo": (14.61464, 5.08776, 2.27646, 1.16058, 0.56928),
}


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_five_steps_have_the_levels_worked_out_by_hand(name: str) -> None:
    """And end without noise."""
    sampler, schedule = find_sampler("Euler", name)
    spacing = spaced(LEVELS, sampler, schedule, 5)
    assert spacing.sigmas == pytest.approx((*BY_HAND[name], 0.0), abs=6e-6)
    assert [LEVELS.at(time) for time in spacing.timesteps] == pytest.approx(BY_HAND[name], rel=6e-3)


def test_every_schedule_was_worked_out() -> None:
    """None is added without its numbers."""
    assert set(BY_HAND) == set(SPACINGS) == {entry.name for entry in SCHEDULES} - {"automatic", "model"}


@pytest.mark.parametrize(
    ("config", "sampler", "expected"),
    [
        ("leading", "Euler", (801, 601, 401, 201, 1)),
        ("trailing", "Euler", (999, 799, 599, 399, 199)),
        ("linspace", "Euler", (999, 749.25, 499.5, 249.75, 0)),
        ("leading", "DPM++ 2M", (831, 665, 499, 333, 167)),
        ("linspace", "UniPC", (999, 799, 599, 400, 200)),
        ("linspace", "DDIM", (999, 749, 500, 250, 0)),
        ("leading", "LCM", (999, 799, 599, 399, 199)),
    ],
)
def test_the_models_own_spacing_is_each_familys_of_diffusers(
    config: str, sampler: str, expected: tuple[float, ...]
) -> None:
    """Table 2 of arXiv 2305.08891, with what each family of schedulers makes of it."""
    found, schedule = find_sampler(sampler, "model")
    spacing = spaced(Levels({**SDXL, "timestep_spacing": config}), found, schedule, 5)
    assert spacing.timesteps == expected
    end = LEVELS.lowest if sampler == "DDIM" else 0.0
    assert spacing.sigmas[-1] == pytest.approx(end, rel=1e-3)
    if config == "leading" and sampler == "Euler":
        assert spacing.sigmas == pytest.approx((5.13443, 2.29285, 1.16822, 0.57405, 0.04131, 0), abs=6e-6)


# Each sampler with two schedules and each schedule with two samplers: what they share is by their kinds.
PAIRS = {(entry.name, schedule) for entry in SAMPLERS for schedule in ("model", "karras")}
PAIRS |= {(sampler, entry.name) for entry in SCHEDULES for sampler in ("Euler", "DPM2")}


@pytest.mark.parametrize(("name", "schedule"), sorted(PAIRS))
def test_levels_fall_for_every_number_of_steps(name: str, schedule: str) -> None:
    """As many as were asked for; one step begins at the highest, and so do more than a request may have.

    So many divide the levels for a second pass that denoises little.
    """
    sampler, found = find_sampler(name, schedule)
    for steps in (1, 2, 3, 33, 150, 1000):
        spacing = spaced(LEVELS, sampler, found, steps)
        assert len(spacing.timesteps) == steps == len(spacing.sigmas) - 1
        assert all(before > after for before, after in pairwise(spacing.sigmas))
        plan = SOLVERS[sampler.solver](spacing.sigmas, Noise(s_churn=1.0))
        assert all(math.isfinite(x) for stage in plan.stages for x in (*stage.next.answers, stage.noise, stage.sigma))
        if steps > 150:
            assert spacing.timesteps[0] > 990
        if steps == 1:
            assert spacing.sigmas[0] == LEVELS.highest


def test_some_samplers_leave_the_level_before_the_last_out() -> None:
    """A1111's DPM2, DPM2 a and DPM++ 3M SDE: of one level more than the steps the lowest but one goes."""
    plain = spaced(LEVELS, *find_sampler("Euler", "karras"), 6).sigmas
    dropped = spaced(LEVELS, *find_sampler("DPM2", "karras"), 5).sigmas
    assert dropped == (*plain[:4], *plain[5:])


def test_ends_are_the_published_ones() -> None:
    """SDXL's levels go from 0.0292 to 14.6146, and a timestep's level leads back to it."""
    assert (round(LEVELS.lowest, 4), round(LEVELS.highest, 4)) == (0.0292, 14.6146)
    assert LEVELS.sigmas[500] == pytest.approx(1.6182788, rel=1e-6)
    for time in (0, 0.5, 1, 400.25, 998.75, 999):
        assert LEVELS.time_of(LEVELS.at(time)) == pytest.approx(time, abs=1e-6)
    assert (LEVELS.time_of(1e-9), LEVELS.time_of(1e9)) == (0.0, 999.0)


def test_levels_of_other_configurations() -> None:
    """Betas given one by one, even ones, cosine ones; and those of a model that begins at noise alone."""
    assert Levels({"trained_betas": [0.5, 0.5]}).sigmas == pytest.approx((1.0, 3**0.5))
    even = Levels({**SDXL, "beta_schedule": "linear"}).sigmas
    assert even[0] == pytest.approx(math.sqrt(0.00085 / 0.99915))
    cosine = Levels({**SDXL, "beta_schedule": "squaredcos_cap_v2"}).sigmas
    share = (math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) / math.cos(0.008 / 1.008 * math.pi / 2)) ** 2
    assert cosine[499] == pytest.approx(math.sqrt(1 / share - 1), rel=1e-6)
    bare = Levels({**SDXL, "rescale_betas_zero_snr": True}).sigmas
    assert bare[-1] == pytest.approx(4096, rel=1e-6)
    assert bare[0] == pytest.approx(LEVELS.lowest)
    with pytest.raises(ValueError, match="unheard"):
        Levels({"beta_schedule": "unheard"})


def test_the_quantile_is_where_the_density_has_that_share_below_it() -> None:
    """Integrated by Simpson's rule, in a variable that takes the density's pole away."""
    shape, parts = 0.6, 2000

    def density(place: float) -> float:
        return (1 - place ** (1 / shape)) ** (shape - 1) / shape

    for share in (0.05, 0.2, 0.37, 0.5):
        end = beta_quantile(share, shape) ** shape
        inner = sum((4 if index % 2 else 2) * density(index * end / parts) for index in range(1, parts))
        whole = (density(0.0) + inner + density(end)) * end / parts / 3
        assert whole / (math.gamma(shape) ** 2 / math.gamma(2 * shape)) == pytest.approx(share, abs=1e-6)
        assert beta_quantile(1 - share, shape) == pytest.approx(1 - beta_quantile(share, shape))
