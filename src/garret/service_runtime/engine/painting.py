"""One batch from its words to its pictures, course by course, in the engine's thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from garret.service_runtime.asked import LATENT_UPSCALERS
from garret.service_runtime.batch import Batch
from garret.service_runtime.engine.base import Image
from garret.service_runtime.engine.canvas import Canvas, open_canvas
from garret.service_runtime.engine.courses import Course, Models, plan_courses, words_of
from garret.service_runtime.engine.decode import decode
from garret.service_runtime.engine.denoise import Pass, denoise
from garret.service_runtime.engine.guidance import Guide
from garret.service_runtime.engine.hires import Grow, enlarge
from garret.service_runtime.engine.ids import ids_of
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.engine.previews import Colours
from garret.service_runtime.engine.refine import join
from garret.service_runtime.engine.residency import Residency
from garret.service_runtime.engine.stepping import Emit
from garret.service_runtime.engine.upscale import Enlarger
from garret.service_runtime.engine.vaes import Vaes
from garret.service_runtime.engine.walk import Walk
from garret.service_runtime.engine.watch import Watch
from garret.service_runtime.engine.words import WordEncoder, Words


@dataclass(frozen=True)
class Workshop:
    """What batches share: the models, and what is known of words and colours."""

    residency: Residency
    vaes: Vaes
    words: WordEncoder
    colours: Colours
    device: torch.device
    enlarger: Enlarger


class Painting:
    """A batch that is being made: its models with their LoRAs, and the picture it begins from."""

    def __init__(self, workshop: Workshop, batch: Batch) -> None:
        self._shop = workshop
        self._batch = batch
        residency, used = workshop.residency, batch.used
        residency.begin(batch)
        # The mode of this batch: its pictures are decoded while the next one, perhaps in another, is made.
        self._tiled = residency.tiled
        parts, loras = residency.take(used.checkpoint)
        refiner = self._take_refiner(parts)
        self._parts = parts.with_vae(workshop.vaes.choose(parts, used))
        self._notes = loras.use(used.loras)
        self._models = Models(self._parts, refiner, loras.identity)
        self._canvas: Canvas | None = None
        self.steps = 0
        """How many were made."""
        if residency.low:
            self._notes["Mode"] = "low-vram"

    def paint(self, emit: Emit, beyond: int = 0) -> Tensor:
        """Return the finished latents, telling each step and what there is to see; `beyond` steps come after these."""
        shop, parts = self._shop, self._parts
        courses = plan_courses(self._batch, self._models, shop.device)
        for leg in (leg for course in courses for leg in course.legs):
            self._notes |= leg.walk.notes
        with shop.residency.using(parts.text_encoder, parts.text_encoder_2):
            words = words_of(courses, self._batch, self._models, shop.words, shop.device)
        if self._batch.request.start is not None or parts.vae not in shop.colours:
            # Only who needs the VAE waits until no other thread decodes with it.
            with shop.residency.decoding, shop.residency.using(parts.vae):
                shop.colours.of(parts.vae)
                self._canvas = open_canvas(parts, self._batch, tiled=self._tiled)
        steps = sum(course.steps for course in courses)
        watch = Watch(emit, steps + beyond, shop.device, shop.colours.of(parts.vae))
        count = len(self._batch.pictures)
        latents = self._canvas.latents.expand(count, -1, -1, -1) if self._canvas else torch.empty(0)
        for course, spoken in zip(courses, words, strict=True):
            latents = self._walk(course, spoken, latents, watch)
        watch.finish()
        self.steps = steps
        return latents

    def images(self, latents: Tensor) -> Iterator[Image]:
        """Yield the pictures of latents, one by one."""
        residency, vae = self._shop.residency, self._parts.vae
        pictures = decode(vae, latents, tiled=self._tiled)
        for index in range(len(latents)):
            # A batch that is made meanwhile may want the VAE as well, and have it elsewhere.
            with residency.decoding, residency.using(vae):
                picture = next(pictures)
            made = self._canvas.finish(picture) if self._canvas else picture
            height, width = made.shape[:2]
            yield Image(index, width, height, made.tobytes(), dict(self._notes))

    def _take_refiner(self, base: Parts) -> Parts | None:
        if self._batch.request.refiner is None or not self._batch.used.refiner:
            return None
        refiner, loras = self._shop.residency.take(self._batch.used.refiner, base)
        loras.use(())
        return refiner

    def _walk(self, course: Course, words: Sequence[Words], latents: Tensor, watch: Watch) -> Tensor:
        if course.kind == "hires":
            latents = self._enlarged(course, latents, watch)
        noise, before, level = torch.empty(0), 0, 0.0
        residency, shortcuts = self._shop.residency, self._batch.request.shortcuts
        for leg, spoken in zip(course.legs, words, strict=True):
            ids = ids_of(leg.parts, self._batch.request, course.width, course.height)
            guide = Guide(leg.parts.unet, ids, course.guidance, self._shop.device)
            one = Pass(leg.stage, guide, leg.walk, spoken, course.guidance, course.steps, before, shortcuts)
            if before:
                latents = join(leg.walk, latents, level, course.noises)
            else:
                noise = self._noise(course, latents)
                latents = self._begin(course, leg.walk, noise, latents)
            blend = self._canvas.blending(leg.walk, noise, before, course.steps) if self._canvas else None
            with residency.using(leg.parts.unet), residency.speedups.drawing(leg.parts.unet, shortcuts.fp8):
                latents = denoise(one, latents, watch, blend)
            before, level = before + leg.walk.total_steps, leg.walk.sigmas[-1]
        return latents

    def _noise(self, course: Course, latents: Tensor) -> Tensor:
        if course.kind == "refine":
            return course.noises.next(latents)
        scale = self._parts.scale
        return course.noises.first((self._parts.channels, course.height // scale, course.width // scale))

    def _begin(self, course: Course, walk: Walk, noise: Tensor, latents: Tensor) -> Tensor:
        if course.kind != "denoise":
            return walk.begin(noise, latents)
        return self._canvas.begin(walk, noise) if self._canvas else walk.begin(noise)

    def _enlarged(self, course: Course, latents: Tensor, watch: Watch) -> Tensor:
        residency, vae, hires = self._shop.residency, self._parts.vae, self._batch.request.hires
        if hires is None:
            return latents
        size, scale = (course.width, course.height), self._parts.scale
        if hires.upscaler in LATENT_UPSCALERS:
            return enlarge(latents, hires, size, scale, vae, tiled=self._tiled)
        with residency.decoding, residency.using(vae):
            return enlarge(latents, hires, size, scale, vae, tiled=self._tiled, grow=self._grow(watch))

    def _grow(self, watch: Watch) -> Grow | None:
        """Return what makes pictures larger between the passes, where that is a network."""
        path = self._batch.used.hires_upscaler
        if not path:
            return None
        cover = self._shop.enlarger.cover
        return lambda rows, size: cover(rows, path, size, lambda _: watch.beat("hires"))
