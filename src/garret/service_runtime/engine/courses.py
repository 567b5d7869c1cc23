"""What a batch's pictures go through: one to three passes, each walked by the base, the refiner or both in turn."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import torch

from garret.service_runtime.asked import Refiner
from garret.service_runtime.batch import Batch
from garret.service_runtime.engine.hires import steps_of
from garret.service_runtime.engine.noise import Noises
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.engine.refine import Span, again, split
from garret.service_runtime.engine.walk import Walk
from garret.service_runtime.engine.walks import Walks
from garret.service_runtime.engine.words import WordEncoder, Words


@dataclass(frozen=True)
class Models:
    """The checkpoints of a batch; `changes` is what LoRAs have made of the base's text encoders."""

    base: Parts
    refiner: Parts | None
    changes: Hashable


@dataclass(frozen=True)
class Leg:
    """One model's walk in a course."""

    stage: str
    parts: Parts
    walk: Walk


@dataclass(frozen=True)
class Course:
    """One pass over all pictures at one size in pixels; a course without legs only brings them to it.

    `kind` says what it begins from: "denoise" from noise or the request's start, "hires" from the smaller picture, and
    "refine" from the finished one.
    """

    kind: str
    width: int
    height: int
    guidance: float
    noises: Noises
    legs: tuple[Leg, ...]

    @property
    def steps(self) -> int:
        """Return how many steps are made in all."""
        return sum(leg.walk.total_steps for leg in self.legs)


def plan_courses(batch: Batch, models: Models, device: torch.device) -> list[Course]:
    """Return the courses of a batch in their order. The refiner finishes the last pass at the largest size."""
    asked, hires = batch.request, batch.request.hires
    refiner = asked.refiner if models.refiner else None
    finish = refiner if refiner and refiner.mode == "finish" else None
    share = asked.start.denoise if asked.start else 1.0
    walks = Walks(asked, noises_of(batch, device), device)
    legs = _legs(Span("denoise", asked.steps, share), walks, models, None if hires else finish)
    courses = [Course("denoise", asked.width, asked.height, asked.cfg_scale, walks.noises, legs)]
    if hires:
        # The second pass draws the noise of the same seeds at its own size, as if it were the first.
        walks = Walks(asked, noises_of(batch, device), device, hires.sampler, hires.schedule)
        steps, share = steps_of(hires, asked.steps)
        legs = _legs(Span("hires", steps, share), walks, models, finish)
        courses.append(Course("hires", *asked.painted_size, hires.cfg_scale or asked.cfg_scale, walks.noises, legs))
    if refiner and models.refiner and not finish:
        walk = again(Walks(asked, walks.noises, device), models.refiner, refiner, asked.steps)
        legs = (Leg("refine", models.refiner, walk),) if walk else ()
        courses.append(Course("refine", *asked.painted_size, courses[-1].guidance, walks.noises, legs))
    return courses


def _legs(span: Span, walks: Walks, models: Models, finish: Refiner | None) -> tuple[Leg, ...]:
    if span.share <= 0:
        return ()
    if finish is None or models.refiner is None:
        return (Leg(span.stage, models.base, walks.build(models.base, span.steps, denoise=span.share)),)
    base, refiner = split(walks, models.base, models.refiner, finish, span)
    both = ((span.stage, models.base, base), ("refine", models.refiner, refiner))
    return tuple(Leg(stage, parts, walk) for stage, parts, walk in both if walk is not None and len(walk))


def noises_of(batch: Batch, device: torch.device) -> Noises:
    """Return the noise of a batch's pictures by their seeds."""
    others = [picture.variation_seed for picture in batch.pictures]
    seeds = [picture.seed for picture in batch.pictures]
    return Noises(seeds, device, variation=batch.request.variation, variation_seeds=others)


def words_of(
    courses: list[Course], batch: Batch, models: Models, encoder: WordEncoder, device: torch.device
) -> list[list[Words]]:
    """Return the words of each leg of each course; the text encoders must be on the device."""
    first = courses[0].steps
    return [
        [
            encoder.encode(
                leg.parts,
                batch.pictures,
                batch.request,
                batch.used,
                device,
                steps=course.steps,
                first_steps=None if course.kind == "denoise" or not batch.request.hires else first,
                changes=models.changes,
            )
            for leg in course.legs
        ]
        for course in courses
    ]
