"""A request made ready for workers: its names become files of this node, its words what an engine reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

from garret.service_runtime.asked import Upscale
from garret.service_runtime.batch import Picture, Used
from garret.service_runtime.chosen import Chosen, choose_models
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.inputs import InputStore
from garret.service_runtime.limits import MAXIMUM_BETWEEN_PIXELS
from garret.service_runtime.models import Model, Models
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.upscaler_file import passes
from garret.service_runtime.upscalers import LATENT, NETWORK, Upscaler
from garret.service_runtime.vocabulary import ReadyWords, Vocabulary


@dataclass(frozen=True)
class Prepared:
    """A request, the models and files that it is made with, and its words as the engine gets them."""

    request: ImageRequest
    model: Model
    used: Used
    words: ReadyWords
    chosen: Chosen | None = None

    def picture(self, index: int) -> Picture:
        """Return what the engine is told of one of its pictures."""
        asked, words = self.request, self.words
        seeds = (asked.seed_of(index), asked.variation_seed_of(index))
        return Picture(words.prompt, words.negative_prompt, *seeds, words.hires_prompt, words.hires_negative_prompt)


def prepare(request: ImageRequest, models: Models, inputs: InputStore, vocabulary: Vocabulary) -> Prepared:
    """Find what a request names, refusing what this node has not.

    Raises:
        NotFound, ModelError, BadRequest: name the model or the field.
    """
    words = vocabulary.ready(request)
    chosen = choose_models(request, words.loras, models)
    start, mask = begin_from(request, inputs)
    picture = only_upscaled(request, inputs)
    _check_between(request, chosen)
    used = replace(chosen.used, embeddings=words.embeddings, start=start, mask=mask, picture=picture)
    return Prepared(named(request, chosen), chosen.checkpoint, used, words, chosen)


def named(request: ImageRequest, chosen: Chosen) -> ImageRequest:
    """Return the request with the upscalers' own names in it: it may have left the choice to the node."""
    hires, upscale = request.hires, request.upscale
    if hires is None and upscale is None:
        return request
    if hires and chosen.hires_upscaler:
        hires = replace(hires, upscaler=chosen.hires_upscaler.name)
    if upscale:
        names = [one.name for one in chosen.upscalers]
        upscale = replace(upscale, upscaler=names[0], second=names[1] if len(names) > 1 else "")
    return replace(request, hires=hires, upscale=upscale)


def _check_between(request: ImageRequest, chosen: Chosen) -> None:
    """Refuse what would be a picture of gigabytes on its way to a small one: by a network, or before it is cut."""
    first, painted = (request.width, request.height), request.painted_size
    again = chosen.hires_upscaler
    if again and again.kind != LATENT:
        whole = Upscale(width=painted[0], height=painted[1]).covering(*first)
        _check_made("hires", again, first, whole, whole)
    for one in chosen.upscalers if request.upscale else ():
        whole = request.upscale.covering(*painted) if request.upscale else painted
        # Of arithmetic's pictures only what is kept is made.
        _check_made("upscale", one, painted, whole, request.final_size)


def _check_made(
    name: str, upscaler: Upscaler, size: tuple[int, int], whole: tuple[int, int], plain: tuple[int, int]
) -> None:
    """Refuse more pixels than may be made; `plain` is what arithmetic makes."""
    width, height = plain
    if upscaler.kind == NETWORK:
        grown = upscaler.scale ** passes(upscaler.scale, size, whole)
        width, height = size[0] * grown, size[1] * grown
    if width * height > MAXIMUM_BETWEEN_PIXELS:
        reason = f"{upscaler.name} would make {width} x {height} pixels of it on its way"
        hint = f"At most {MAXIMUM_BETWEEN_PIXELS}: take a network of a smaller factor, or make the picture smaller"
        raise BadRequest(name, reason, hint)


def only_upscaled(request: ImageRequest, inputs: InputStore) -> str:
    """Return the file of a picture that is only made larger, empty where there is none."""
    upscale = request.upscale
    if upscale is None or not upscale.image:
        return ""
    path = inputs.path(upscale.image, "upscale.image")
    width, height = inputs.size(upscale.image)
    if (width, height) != (request.width, request.height):
        reason = f"{request.width} x {request.height}, and the picture has {width} x {height}"
        raise BadRequest(
            "width", reason, "Leave width and height out; upscale.width and upscale.height are the new ones"
        )
    return str(path)


def begin_from(request: ImageRequest, inputs: InputStore) -> tuple[str, str]:
    """Return the files of the picture to begin from and of its mask, empty where there is none."""
    start = request.start
    if start is None:
        return "", ""
    path = inputs.path(start.image, "start.image")
    if start.resize == "outpaint":
        _check_room(inputs.size(start.image), request)
    return str(path), str(inputs.path(start.mask.image, "mask.image")) if start.mask else ""


def _check_room(size: tuple[int, int], request: ImageRequest) -> None:
    """Refuse to continue a picture that fills all that was asked for."""
    # Only who begins from a picture pays for numpy.
    from garret.service_runtime.canvas.placing import outpaint

    if outpaint(size, request.width, request.height).is_whole:
        reason = f"a picture of {size[0]} x {size[1]} leaves nothing to paint in {request.width} x {request.height}"
        raise BadRequest("start.resize", reason, "Give a larger width or height")
