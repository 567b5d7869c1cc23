"""The sampler names of every dialect in one table, as the diffusers schedulers that they mean; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from garret.service_runtime.errors import UnknownChoice


@dataclass(frozen=True)
class Sampler:
    """One sampler: its A1111 name and aliases, the diffusers class, and the schedule that "automatic" means."""

    name: str
    scheduler_class: str
    aliases: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    automatic: str = "normal"
    karras: bool = True


@dataclass(frozen=True)
class Schedule:
    """One spacing of the noise levels."""

    name: str
    label: str
    options: Mapping[str, Any] = field(default_factory=dict)


SAMPLERS = (
    Sampler("Euler a", "EulerAncestralDiscreteScheduler", ("k_euler_a", "k_euler_ancestral"), karras=False),
    Sampler("Euler", "EulerDiscreteScheduler", ("k_euler",)),
    Sampler("Heun", "HeunDiscreteScheduler", ("k_heun",)),
    Sampler("DPM++ 2M", "DPMSolverMultistepScheduler", ("k_dpmpp_2m",), automatic="karras"),
    # Made from an Euler configuration DDIM would clip the latents, which spoils the picture.
    Sampler("DDIM", "DDIMScheduler", ("ddim",), {"clip_sample": False, "set_alpha_to_one": False}, karras=False),
)
SCHEDULES = (
    Schedule("automatic", "Automatic"),
    Schedule("normal", "Normal"),
    Schedule("karras", "Karras", {"use_karras_sigmas": True}),
)


def find_sampler(text: str, schedule: str = "") -> tuple[Sampler, Schedule]:
    """Return the sampler and schedule that a dialect's words mean; "DPM++ 2M Karras" names both."""
    name, chosen = text, schedule or "automatic"
    head, _, tail = text.rpartition(" ")
    if head and tail.lower() in {entry.name for entry in SCHEDULES}:
        name, chosen = head, (tail if chosen.lower() == "automatic" else chosen)
    sampler = next((entry for entry in SAMPLERS if name == entry.name or name in entry.aliases), None)
    if sampler is None:
        raise UnknownChoice("sampler_name", f"Sampler not found: {text[:80]!r}", f"Known: {_names()}")
    found = next((entry for entry in SCHEDULES if chosen.lower() in (entry.name, entry.label.lower())), None)
    if found is None:
        known = ", ".join(entry.label for entry in SCHEDULES)
        raise UnknownChoice("scheduler", f"Scheduler not found: {chosen[:80]!r}", f"Known: {known}")
    if found.name == "karras" and not sampler.karras:
        raise UnknownChoice("scheduler", f"{sampler.name} has no Karras schedule", "Use Automatic")
    return sampler, found


def scheduler_options(sampler: Sampler, schedule: Schedule) -> dict[str, Any]:
    """Return what to pass to the scheduler's `from_config` beside the model's own configuration."""
    name = sampler.automatic if schedule.name == "automatic" else schedule.name
    resolved = next(entry for entry in SCHEDULES if entry.name == name)
    return {**sampler.options, **resolved.options}


def _names() -> str:
    return ", ".join(entry.name for entry in SAMPLERS)
