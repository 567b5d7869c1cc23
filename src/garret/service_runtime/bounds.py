"""What one request may ask on this node: its owner's bounds, within those that any engine has."""

from __future__ import annotations

from collections.abc import Iterator

from garret.service_runtime.errors import BadRequest
from garret.service_runtime.limits import MAXIMUM_SECOND_SIDE
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.settings import ServiceSettings


def check_bounds(request: ImageRequest, settings: ServiceSettings) -> None:
    """Refuse a request that asks for more than the settings allow, naming the field and the bound.

    Raises:
        BadRequest: names the field as the native API has it.
    """
    for name, value, most, unit in _asked(request, settings):
        if value > most:
            raise BadRequest(name, f"{value} {unit} are more than this node makes", f"Give at most {most}")


def second_side(settings: ServiceSettings) -> int:
    """Return the longest side that a second pass makes."""
    return min(MAXIMUM_SECOND_SIDE, 2 * settings.longest_side)


def _asked(request: ImageRequest, settings: ServiceSettings) -> Iterator[tuple[str, int, int, str]]:
    """Yield what is asked for: the field, how much, how much is allowed, and of what."""
    hires, refiner = request.hires, request.refiner
    yield "steps", request.steps, settings.most_steps, "steps"
    yield "n_iter", request.count, settings.most_pictures, "pictures"
    # Where nothing is painted these are a picture's that is there, which may be a camera's.
    if request.paints:
        for name in ("width", "height"):
            yield name, getattr(request, name), settings.longest_side, "pixels"
    for name in ("prompt", "negative_prompt"):
        yield name, len(getattr(request, name)), settings.longest_prompt, "characters"
        if hires is not None:
            yield f"hires.{name}", len(getattr(hires, name)), settings.longest_prompt, "characters"
    if hires is not None:
        yield "hires.steps", hires.steps, settings.most_steps, "steps"
        yield "hires", max(request.painted_size), second_side(settings), "pixels"
    if refiner is not None:
        yield "refiner.steps", refiner.steps, settings.most_steps, "steps"
