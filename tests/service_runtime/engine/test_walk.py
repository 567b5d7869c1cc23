"""Walks down the noise levels: against diffusers' schedulers, and by parts."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import pytest

from garret.service_runtime.asked import Noise
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.samplers import SAMPLERS, Sampler
from tests.service_runtime.asking import ask

torch = pytest.importorskip("torch")
from garret.service_runtime.engine.noise import Noises  # noqa: E402
from garret.service_runtime.engine.walk import Walk, build_walk  # noqa: E402

SDXL = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
SHAPE = (4, 8, 8)
# scipy is not installed for the one scheduler that wants it.
COMPARED = [entry for entry in SAMPLERS if entry.scheduler and entry.name != "LMS"]


def model(scaled: Any, timestep: Any) -> Any:
    """Return an answer that is neither linear nor the same at every level or place."""
    places = torch.linspace(-1, 1, 4 * 8 * 8).reshape(SHAPE)
    return torch.sin(scaled * 1.3 + places) + 0.2 * scaled * (float(timestep) / 1000)


def walk_down(walk: Walk, latents: Any) -> Any:
    """Return the latents at the walk's end."""
    for index in range(len(walk)):
        latents = walk.step(model(walk.scale(latents, index), walk.timesteps[index]), index, latents)
    return latents


def made(request: ImageRequest, seeds: tuple[int, ...] = (5,), config: Any = None, **part: Any) -> Any:
    """Return what a request's sampler makes of noise."""
    noises = Noises(seeds)
    walk = build_walk(config or SDXL, request, request.steps, "cpu", noises, **part)
    return walk_down(walk, walk.begin(noises.first(SHAPE)))


def by_diffusers(entry: Sampler, config: dict[str, Any], steps: int, seed: int) -> Any:
    """Return what diffusers' scheduler makes of the same noise, driven as its pipelines drive it."""
    import diffusers

    scheduler = getattr(diffusers, entry.scheduler).from_config(config, **entry.settings)
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn((1, *SHAPE), generator=generator) * scheduler.init_noise_sigma
    drawn = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    for timestep in scheduler.timesteps:
        answer = model(scheduler.scale_model_input(latents, timestep), timestep)
        latents = scheduler.step(answer, timestep, latents, **drawn).prev_sample
    return latents


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("entry", COMPARED, ids=lambda entry: entry.name)
def test_a_sampler_is_the_diffusers_scheduler_of_the_table(entry: Sampler, spacing: str) -> None:
    """With its exact settings and the model's own spacing, noise drawn on the way included."""
    if spacing == "linspace" and entry.kind == "whole" and entry.ends_at_lowest:
        # There diffusers steps by a width that is not the one between its own timesteps.
        spacing = "leading"
    # PLMS sums up noise here; diffusers adds answers that mean other things at other levels.
    for prediction in ("epsilon",) if entry.name == "PLMS" or spacing != "leading" else ("epsilon", "v_prediction"):
        config = {**SDXL, "timestep_spacing": spacing, "prediction_type": prediction}
        ours = made(ask(sampler=entry.name, schedule="model", steps=10), config=config)
        assert (ours - by_diffusers(entry, config, 10, 5)).abs().max() < 2e-4


@pytest.mark.parametrize("name", [entry.name for entry in SAMPLERS])
def test_a_picture_is_the_same_alone_and_in_a_batch(name: str) -> None:
    """Each has its own noise, on the way as well; and the same seed gives the same."""
    request = ask(sampler=name, steps=6, noise=Noise(s_churn=3.0))
    together = made(request, (5, 6, 7))
    for index, seed in enumerate((5, 6, 7)):
        assert (made(request, (seed,))[0] - together[index]).abs().max() < 1e-4
    assert (together[0] - together[1]).abs().max() > 0.1
    assert torch.isfinite(together).all()


def test_the_last_share_of_the_steps_is_at_least_one() -> None:
    """A little denoising of few steps is no error; the walk begins at that step's level."""
    for steps, denoise, calls in ((10, 0.35, 3), (4, 0.1, 1), (1, 0.0, 1), (4, 1.0, 4)):
        walk = build_walk(SDXL, ask(steps=steps), steps, "cpu", Noises([1]), denoise=denoise)
        assert len(walk) == calls
        whole = build_walk(SDXL, ask(steps=steps), steps, "cpu", Noises([1]))
        assert walk.sigmas == whole.sigmas[steps - calls :]


def test_two_walks_of_a_base_and_a_refiner_are_one() -> None:
    """Where nothing is remembered from step to step; the cut is at a share of the model's timesteps."""
    request = ask(sampler="Euler", schedule="model", steps=20)
    noises = Noises([5])
    first = build_walk(SDXL, request, 20, "cpu", noises, end=0.8)
    second = build_walk(SDXL, request, 20, "cpu", noises, start=0.8)
    assert (len(first), len(second)) == (16, 4)
    halfway = walk_down(first, first.begin(noises.first(SHAPE)))
    assert torch.allclose(walk_down(second, halfway), made(request))
    assert len(build_walk(SDXL, request, 20, "cpu", noises, start=1.0)) == 0
    assert len(build_walk(SDXL, request, 20, "cpu", noises, end=0.0)) == 1


def test_calls_are_counted_to_their_steps() -> None:
    """Heun's sampler calls the model twice in a step, but not in the last one."""
    walk = build_walk(SDXL, ask(sampler="Heun", steps=3), 3, "cpu", Noises([1]))
    assert (walk.step_of, walk.total_steps, len(walk)) == ((0, 0, 1, 1, 2), 3, 5)
    assert walk.timesteps.shape == (5,)


def test_a_clean_picture_is_seen_in_what_was_made_of_it() -> None:
    """`noised` and `clean` undo each other for every kind of answer."""
    noise, picture = torch.randn(1, *SHAPE), torch.randn(1, *SHAPE)
    for prediction in ("epsilon", "v_prediction", "sample"):
        walk = build_walk({**SDXL, "prediction_type": prediction}, ask(steps=4), 4, "cpu", Noises([1]))
        noisy = walk.noised(picture, noise, 1)
        sigma = walk.sigmas[1]
        answers = {
            "epsilon": noise,
            "sample": picture,
            "v_prediction": (noise - sigma * picture) / (sigma**2 + 1) ** 0.5,
        }
        assert torch.allclose(walk.clean(answers[prediction], 1, noisy), picture, atol=1e-5)
    assert torch.equal(walk.noised(picture, noise, len(walk)), picture)


def test_what_a_sampler_does_not_take_is_told() -> None:
    """Churn for a sampler without one changes nothing, and the picture says so."""
    request = ask(sampler="DPM++ 2M", noise=Noise(s_churn=10, eta=0.5))
    assert build_walk(SDXL, request, 4, "cpu", Noises([1])).notes == {"Not used by DPM++ 2M": "eta, s_churn"}
    assert torch.equal(made(request), made(replace(request, noise=Noise())))
    assert build_walk(SDXL, ask(sampler="Heun", noise=Noise(s_churn=10)), 4, "cpu", Noises([1])).notes == {}


@pytest.mark.parametrize("name", [entry.name for entry in SAMPLERS])
def test_nothing_in_the_loop_waits_for_the_device(name: str) -> None:
    """On a device without memory, where reading a number back fails; and all that is copied there is noise."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Seen(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    noises = Noises([1, 2], "meta")
    walk = build_walk(SDXL, ask(sampler=name, steps=6), 6, "meta", noises)
    latents = walk.begin(noises.first(SHAPE))
    draws = sum(bool(stage.noise) for stage in walk._plan.stages)
    seen: list[str] = []
    with Seen():
        for index in range(len(walk)):
            walk.scale(latents, index)
            latents = walk.step(torch.empty_like(latents), index, latents)
    assert latents.device.type == "meta"
    assert seen.count("_to_copy") == draws
    assert set(seen) <= {"empty_like", "add", "mul", "_to_copy", "empty", "unbind", "normal_"}
    assert seen.count("add") + seen.count("mul") <= 8 * len(walk)
