"""Samplers against denoisers whose true answer is known: no model, no torch, no other implementation."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

import pytest

from garret.service_runtime.asked import Noise
from garret.service_runtime.engine.plan import Plan, Terms
from garret.service_runtime.engine.solvers import SOLVERS
from garret.service_runtime.samplers import SAMPLERS, Sampler

HIGH, LOW = 14.6, 0.3
Vector = list[float]
Denoise = Callable[[float, float], float]


def levels(steps: int) -> list[float]:
    """Return levels that fall as Karras' do."""
    high, low = HIGH ** (1 / 7), LOW ** (1 / 7)
    return [(high + index / steps * (low - high)) ** 7 for index in range(steps + 1)]


def two_hills(latent: float, sigma: float) -> float:
    """Return the mean of a clean value given a noisy one, where values lie around -1 and 1 with a deviation of 0.4."""
    spread = 0.4**2 + sigma**2
    return (0.4**2 * latent + sigma**2 * math.tanh(latent / spread)) / spread


def true_end(latent: float, steps: int = 4000) -> float:
    """Follow dx/dsigma = (x - clean) / sigma with the classical Runge-Kutta method, in the logarithm of sigma."""
    width = math.log(LOW / HIGH) / steps

    def slope(at: float, value: float) -> float:
        return value - two_hills(value, math.exp(at))

    for index in range(steps):
        at = math.log(HIGH) + index * width
        first = slope(at, latent)
        second = slope(at + width / 2, latent + width / 2 * first)
        third = slope(at + width / 2, latent + width / 2 * second)
        fourth = slope(at + width, latent + width * third)
        latent += width / 6 * (first + 2 * second + 2 * third + fourth)
    return latent


def run(plan: Plan, start: Vector, denoise: Denoise) -> Vector:
    """Walk a plan with a vector of which the denoiser sees each number alone; each draw of noise has its own place."""
    latents, base = start, start
    answers: deque[Vector] = deque(maxlen=plan.longest)
    draws = 0

    def total(terms: Terms) -> Vector:
        parts = [(terms.latents, latents), (terms.base, base), *zip(terms.answers, answers, strict=False)]
        return [sum(share * part[place] for share, part in parts) for place in range(len(latents))]

    for stage in plan.stages:
        clean = [denoise(value, stage.sigma) for value in latents]
        seen = [(value - mean) / stage.sigma for value, mean in zip(latents, clean, strict=True)]
        answers.appendleft(clean if plan.clean else seen)
        if stage.base is not None:
            base = total(stage.base)
        latents = total(stage.next)
        if stage.last_noise:
            latents[draws] += stage.last_noise
        if stage.noise:
            draws += 1
            latents[draws] += stage.noise
    return latents


def error(name: str, steps: int, noise: Noise) -> float:
    """Return how far a sampler without noise ends from the truth."""
    plan = SOLVERS[name](levels(steps), noise)
    return abs(run(plan, [9.0], two_hills)[0] - true_end(9.0))


ORDERS = [
    ("euler", 1),
    ("ddim", 1),
    ("euler_ancestral", 1),
    ("ddpm", 1),
    ("heun", 2),
    ("dpm_2", 2),
    ("dpm_2_ancestral", 2),
    ("dpmpp_2s_ancestral", 2),
    ("dpmpp_sde", 2),
    ("dpmpp_2m", 2),
    ("dpmpp_2m_sde", 2),
    ("dpmpp_2m_sde_heun", 2),
    # The field's formula leaves a half of the third order's last term out, and is followed in that.
    ("dpmpp_3m_sde", 2),
    ("deis", 2),
    ("unipc", 2),
    ("plms", 2),
    ("lms", 3),
]


@pytest.mark.parametrize(("name", "order"), ORDERS)
def test_without_noise_a_sampler_converges_in_its_order(name: str, order: int) -> None:
    """With twice the steps the error falls to a half, a fourth, an eighth of what it was."""
    plain = Noise(eta=0.0)
    coarse, fine = (error(name, steps, plain) for steps in (80, 160))
    assert fine < 2e-2
    assert coarse / fine > 2**order * 0.75


def deviation(name: str, steps: int, noise: Noise, spread: float = 1.0) -> float:
    """Return a sampler's deviation at its end for values of this one, over the true deviation there.

    Of normal values the mean of a clean one given a noisy one is linear, so what becomes of the first noise and of
    each later draw can be followed exactly, and no dice are thrown.
    """
    plan = SOLVERS[name](levels(steps), noise)
    draws = sum(bool(stage.noise) for stage in plan.stages)
    start = [math.hypot(spread, plan.stages[0].sigma)] + [0.0] * draws
    ends = run(plan, start, lambda value, sigma: value * spread**2 / (spread**2 + sigma**2))
    return math.hypot(*ends) / math.hypot(spread, LOW)


@pytest.mark.parametrize("spread", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("entry", [entry for entry in SAMPLERS if entry.uses], ids=lambda entry: entry.name)
def test_with_noise_the_pictures_keep_their_spread(entry: Sampler, spread: float) -> None:
    """What a sampler adds on the way makes up for what it takes away, the better the more steps there are."""
    solver = entry.solver
    if solver == "lcm":
        # It forgets the picture's spread by design: each of its steps is a guess of the whole.
        return
    for noise in (Noise(), Noise(eta=0.5), Noise(s_churn=5)):
        coarse, fine = (abs(deviation(solver, steps, noise, spread) - 1) for steps in (40, 120))
        assert fine < 0.02
        assert fine < coarse / 1.5 or fine < 1e-3
    quiet = deviation(solver, 40, Noise(s_noise=0.9, s_churn=5, eta=0.8), spread)
    assert quiet < deviation(solver, 40, Noise(s_churn=5, eta=0.8), spread)


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_the_step_to_no_noise_gives_the_clean_picture(name: str) -> None:
    """However few steps there are, the end is what the model takes for the picture at the last level."""
    for steps in (1, 2, 3, 7):
        sigmas = [*levels(steps)[:-1], 0.0]
        plan = SOLVERS[name](sigmas, Noise())
        assert plan.stages[-1].noise == 0
        (end, *_) = run(plan, [9.0, *[0.0] * 20], lambda _value, _sigma: 0.7)
        assert end == pytest.approx(0.7)
        assert [stage.step for stage in plan.stages][-1] == steps - 1


def test_linear_multistep_has_the_weights_worked_out_by_hand() -> None:
    """For even steps those are the Adams-Bashforth ones: 55, -59, 37, -9 over 24."""
    plan = SOLVERS["lms"]([5.0, 4.0, 3.0, 2.0, 1.0], Noise())
    assert plan.stages[3].next.answers == pytest.approx([-55 / 24, 59 / 24, -37 / 24, 9 / 24])
    assert plan.stages[1].next.answers == pytest.approx([-3 / 2, 1 / 2])


def test_an_ancestral_step_is_the_one_worked_out_by_hand() -> None:
    """From 2 to 1: up sqrt(1 * 3 / 4), down 1/2; DPM++ 2S a looks at the middle of the way to 1/2, which is at 1."""
    euler = SOLVERS["euler_ancestral"]([2.0, 1.0], Noise()).stages[0]
    assert (euler.next, euler.noise) == (Terms(latents=1.0, answers=(-1.5,)), pytest.approx(math.sqrt(3) / 2))
    first, second = SOLVERS["dpmpp_2s_ancestral"]([2.0, 1.0], Noise()).stages
    assert (first.next.base, *first.next.answers, first.noise) == pytest.approx((0.5, 0.5, 0.0))
    assert second.sigma == pytest.approx(1.0)
    assert (second.next.base, *second.next.answers) == pytest.approx((0.25, 0.75))
    assert second.noise == pytest.approx(math.sqrt(3) / 2)


def test_churn_lifts_the_level_before_the_step() -> None:
    """Karras' algorithm 2: gamma is s_churn over the steps, at most sqrt(2) - 1, between s_tmin and s_tmax."""

    def seen(sigmas: Sequence[float], **asked: float) -> list[float]:
        return [stage.sigma for stage in SOLVERS["euler"](sigmas, Noise(**asked)).stages]

    assert seen([4.0, 2.0, 1.0, 0.0], s_churn=0.3) == pytest.approx([4.4, 2.2, 1.1])
    assert seen([4.0, 2.0, 1.0, 0.0], s_churn=30) == pytest.approx([4 * 2**0.5, 2 * 2**0.5, 2**0.5])
    assert seen([4.0, 2.0, 1.0, 0.0], s_churn=0.3, s_tmin=1.5, s_tmax=3.0) == pytest.approx([4.0, 2.2, 1.0])
    plan = SOLVERS["euler"]([4.0, 2.0, 1.0, 0.0], Noise(s_churn=0.3, s_noise=1.1))
    assert [stage.noise for stage in plan.stages] == pytest.approx([1.1 * math.sqrt(0.84), 1.1 * math.sqrt(0.21), 0.0])
