"""What one request may ask on this node: its owner's bounds, within those that any engine has."""

from __future__ import annotations

from garret.service_runtime.errors import BadRequest
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.settings import ServiceSettings


def check_bounds(request: ImageRequest, settings: ServiceSettings) -> None:
    """Refuse a request that asks for more than the settings allow, naming the field and the bound.

    Raises:
        BadRequest: names the field as the native API has it.
    """
    second = request.hires.steps if request.hires else 0
    # Where nothing is painted these are a picture's that is there, which may be a camera's.
    sides = {"width": request.width, "height": request.height} if request.paints else {}
    asked = (
        ("steps", max(request.steps, second), settings.most_steps, "steps"),
        ("n_iter", request.count, settings.most_pictures, "pictures"),
        *((name, side, settings.longest_side, "pixels") for name, side in sides.items()),
        *(
            (name, len(getattr(request, name)), settings.longest_prompt, "characters")
            for name in ("prompt", "negative_prompt")
        ),
    )
    for name, value, most, unit in asked:
        if value > most:
            raise BadRequest(name, f"{value} {unit} are more than this node makes", f"Give at most {most}")
