"""The sampler and schedule names of every dialect in one table, each with the diffusers scheduler it equals; no torch.

`engine/solvers` holds the samplers themselves and `engine/sigmas` the schedules, under the names given here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from garret.service_runtime.errors import UnknownChoice

if TYPE_CHECKING:
    from garret.service_runtime.asked import Noise

CHURN = frozenset({"s_churn", "s_tmin", "s_tmax", "s_noise"})
ETA = frozenset({"eta", "s_noise"})


@dataclass(frozen=True)
class Sampler:
    """One sampler: its A1111 name and aliases, and what it does.

    `automatic` is the schedule that "automatic" means. `scheduler` and `settings` are diffusers' class and the exact
    settings that make the same pictures, empty where diffusers has none. `kind` is how that class spaces timesteps by
    the model's own configuration, and `uses` are the fields of `Noise` that it takes.
    """

    name: str
    aliases: tuple[str, ...]
    solver: str
    scheduler: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    automatic: str = "model"
    kind: str = "sigma"
    uses: frozenset[str] = frozenset()
    drops_next_to_last: bool = False
    ends_at_lowest: bool = False


@dataclass(frozen=True)
class Schedule:
    """One spacing of the noise levels."""

    name: str
    label: str
    aliases: tuple[str, ...] = ()
    rho: float = -1.0


_MULTISTEP = "DPMSolverMultistepScheduler"
_SDE = {"algorithm_type": "sde-dpmsolver++"}
# Made from an Euler configuration DDIM would clip the latents, which spoils the picture.
_UNCLIPPED = {"clip_sample": False, "set_alpha_to_one": False}

SAMPLERS = (
    Sampler(
        "Euler a", ("k_euler_a", "k_euler_ancestral"), "euler_ancestral", "EulerAncestralDiscreteScheduler", uses=ETA
    ),
    Sampler("Euler", ("k_euler",), "euler", "EulerDiscreteScheduler", uses=CHURN),
    Sampler("DPM++ 2M", ("k_dpmpp_2m",), "dpmpp_2m", _MULTISTEP, automatic="karras", kind="solver"),
    Sampler("DPM++ SDE", ("k_dpmpp_sde",), "dpmpp_sde", automatic="karras", uses=ETA),
    Sampler(
        "DPM++ 2M SDE",
        ("k_dpmpp_2m_sde",),
        "dpmpp_2m_sde",
        _MULTISTEP,
        _SDE,
        automatic="exponential",
        kind="solver",
        uses=ETA,
    ),
    Sampler(
        "DPM++ 2M SDE Heun",
        ("k_dpmpp_2m_sde_heun",),
        "dpmpp_2m_sde_heun",
        _MULTISTEP,
        {**_SDE, "solver_type": "heun"},
        automatic="exponential",
        kind="solver",
        uses=ETA,
    ),
    Sampler(
        "DPM++ 3M SDE",
        ("k_dpmpp_3m_sde",),
        "dpmpp_3m_sde",
        automatic="exponential",
        kind="solver",
        uses=ETA,
        drops_next_to_last=True,
    ),
    Sampler("DPM++ 2S a", ("k_dpmpp_2s_a",), "dpmpp_2s_ancestral", automatic="karras", uses=ETA),
    Sampler("Heun", ("k_heun",), "heun", "HeunDiscreteScheduler", uses=CHURN),
    Sampler("LMS", ("k_lms",), "lms", "LMSDiscreteScheduler"),
    Sampler(
        "DPM2",
        ("k_dpm_2",),
        "dpm_2",
        "KDPM2DiscreteScheduler",
        automatic="karras",
        uses=CHURN,
        drops_next_to_last=True,
    ),
    Sampler(
        "DPM2 a",
        ("k_dpm_2_a",),
        "dpm_2_ancestral",
        "KDPM2AncestralDiscreteScheduler",
        automatic="karras",
        uses=ETA,
        drops_next_to_last=True,
    ),
    Sampler("UniPC", ("unipc",), "unipc", "UniPCMultistepScheduler", kind="solver"),
    Sampler("DEIS", ("deis",), "deis", "DEISMultistepScheduler", kind="solver", ends_at_lowest=True),
    Sampler("DDIM", ("ddim",), "ddim", "DDIMScheduler", _UNCLIPPED, kind="whole", uses=ETA, ends_at_lowest=True),
    Sampler("DDPM", ("ddpm",), "ddpm", "DDPMScheduler", {"clip_sample": False}, kind="whole", uses=ETA),
    Sampler(
        "PLMS",
        ("plms",),
        "plms",
        "PNDMScheduler",
        {"skip_prk_steps": True, "set_alpha_to_one": False},
        kind="whole",
        ends_at_lowest=True,
    ),
    Sampler("LCM", ("k_lcm",), "lcm", "LCMScheduler", kind="lcm", uses=frozenset({"s_noise"})),
)

SCHEDULES = (
    Schedule("automatic", "Automatic"),
    Schedule("uniform", "Uniform"),
    Schedule("karras", "Karras", rho=7.0),
    Schedule("exponential", "Exponential"),
    Schedule("polyexponential", "Polyexponential", rho=1.0),
    Schedule("sgm_uniform", "SGM Uniform", ("SGMUniform",)),
    Schedule("kl_optimal", "KL Optimal"),
    Schedule("align_your_steps", "Align Your Steps"),
    Schedule("simple", "Simple"),
    Schedule("normal", "Normal"),
    Schedule("ddim", "DDIM"),
    Schedule("beta", "Beta"),
    Schedule("turbo", "Turbo"),
    # Not A1111's: the checkpoint's own configuration, and the two of Stability's demo.
    Schedule("model", "Model"),
    Schedule("legacy_ddpm", "Legacy DDPM", ("LegacyDDPMDiscretization",)),
    Schedule("edm", "EDM", ("EDMDiscretization",), rho=3.0),
)

DIALECTS: Mapping[str, tuple[str, str]] = {
    # Stability's generative-models (the demo of SDXL, and SageMaker's "SDXL 1.0 Open").
    "EulerEDMSampler": ("Euler", "legacy_ddpm"),
    "HeunEDMSampler": ("Heun", "legacy_ddpm"),
    "EulerAncestralSampler": ("Euler a", "legacy_ddpm"),
    "DPMPP2SAncestralSampler": ("DPM++ 2S a", "legacy_ddpm"),
    "DPMPP2MSampler": ("DPM++ 2M", "legacy_ddpm"),
    "LinearMultistepSampler": ("LMS", "legacy_ddpm"),
    # Stability's hosted API (and SageMaker's "SDXL 1.0 Jumpstart").
    "K_EULER": ("Euler", "automatic"),
    "K_EULER_ANCESTRAL": ("Euler a", "automatic"),
    "K_HEUN": ("Heun", "automatic"),
    "K_LMS": ("LMS", "automatic"),
    "K_DPM_2": ("DPM2", "automatic"),
    "K_DPM_2_ANCESTRAL": ("DPM2 a", "automatic"),
    "K_DPMPP_2M": ("DPM++ 2M", "automatic"),
    "K_DPMPP_2S_ANCESTRAL": ("DPM++ 2S a", "automatic"),
    "K_DPMPP_SDE": ("DPM++ SDE", "automatic"),
    # diffusers' own, with the schedule that its configuration says.
    "DPMSolverMultistepScheduler": ("DPM++ 2M", "model"),
    "DPMSolverSDEScheduler": ("DPM++ SDE", "model"),
    "EulerDiscreteScheduler": ("Euler", "model"),
    "EulerAncestralDiscreteScheduler": ("Euler a", "model"),
    "HeunDiscreteScheduler": ("Heun", "model"),
    "LMSDiscreteScheduler": ("LMS", "model"),
    "KDPM2DiscreteScheduler": ("DPM2", "model"),
    "KDPM2AncestralDiscreteScheduler": ("DPM2 a", "model"),
    "UniPCMultistepScheduler": ("UniPC", "model"),
    "DEISMultistepScheduler": ("DEIS", "model"),
    "DDIMScheduler": ("DDIM", "model"),
    "DDPMScheduler": ("DDPM", "model"),
    "PNDMScheduler": ("PLMS", "model"),
    "LCMScheduler": ("LCM", "model"),
}
"""Names of samplers that are not A1111's, with the schedule that they mean where none is named."""

NEAREST: Mapping[str, str] = {
    "DPM fast": "DPM++ 2M",
    "DPM adaptive": "DPM++ 2M",
    "Restart": "Heun",
    "HeunPP2": "Heun",
    "IPNDM": "LMS",
    "IPNDM_V": "LMS",
    "DDIM CFG++": "DDIM",
    "DPMSolverSinglestepScheduler": "DPM++ 2S a",
    "TCDScheduler": "LCM",
    "SASolverScheduler": "DPM++ 2M SDE",
    "align_your_steps_GITS": "Align Your Steps",
    "align_your_steps_11": "Align Your Steps",
    "align_your_steps_32": "Align Your Steps",
}
"""Names of the field that are not made here, with what comes nearest."""


def find_sampler(
    text: str, schedule: str = "", names: tuple[str, str] = ("sampler_name", "scheduler")
) -> tuple[Sampler, Schedule]:
    """Return the sampler and schedule that a dialect's words mean; "DPM++ 2M Karras" names both.

    `names` is what the dialect calls the two fields.

    Raises:
        UnknownChoice: says what there is, and what comes nearest to a name of the field.
    """
    name, implied = DIALECTS.get(text, (text, "automatic"))
    if not _sampler(name):
        head, spacing = _split(text)
        name, implied = (head, spacing.name) if spacing else (name, implied)
    sampler = _sampler(name)
    if sampler is None:
        raise _unknown(names[0], "Sampler", text, [entry.name for entry in SAMPLERS])
    found = _schedule(schedule or "automatic")
    if found is None:
        raise _unknown(names[1], "Scheduler", schedule, [entry.label for entry in SCHEDULES])
    if found.name == "automatic":
        found = _schedule(implied) or found
    return sampler, found


def unused_noise(sampler: Sampler, noise: Noise) -> tuple[str, ...]:
    """Return the fields of `Noise` that were asked for and that this sampler does not take."""
    # What bounds the churn means nothing without one, and clients send the habitual eta of 1 with any sampler.
    habits = {"eta": (None, 1.0), "s_churn": (0.0,), "s_noise": (1.0,)}
    asked = [name for name, usual in habits.items() if getattr(noise, name) not in usual]
    return tuple(name for name in asked if name not in sampler.uses)


def _sampler(name: str) -> Sampler | None:
    return next((entry for entry in SAMPLERS if name == entry.name or name in entry.aliases), None)


def _schedule(name: str) -> Schedule | None:
    wanted = name.lower()
    for entry in SCHEDULES:
        if wanted in (entry.name, entry.label.lower(), *(alias.lower() for alias in entry.aliases)):
            return entry
    return None


def _split(text: str) -> tuple[str, Schedule | None]:
    """Cut a schedule's label off the end of a sampler's name, as older clients of A1111 send it."""
    for entry in sorted(SCHEDULES, key=lambda one: -len(one.label)):
        head, tail = text[: -len(entry.label)].rstrip(), text[-len(entry.label) :]
        if tail.lower() == entry.label.lower() and head != text and _sampler(head):
            return head, entry
    return text, None


def _unknown(field_name: str, kind: str, text: str, known: list[str]) -> UnknownChoice:
    near = NEAREST.get(text)
    hint = f"The nearest is {near!r}. " if near else ""
    return UnknownChoice(field_name, f"{kind} not found: {text[:80]!r}", f"{hint}Known: {', '.join(known)}")
