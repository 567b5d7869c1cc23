"""Pictures made larger or smaller by arithmetic, and cut in their middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import PIL.Image

_FILTERS = {"None": "NEAREST", "Nearest": "NEAREST", "Bicubic": "BICUBIC"}


def covered(
    picture: PIL.Image.Image, whole: tuple[int, int], size: tuple[int, int], name: str = "Lanczos"
) -> PIL.Image.Image:
    """Return the middle, `size`, of what a picture is when it is as large as `whole`, which may be larger than that.

    `name` is one of `asked.PICTURE_UPSCALERS`, else it is Lanczos'. What is cut off is never made: a strip that covers
    a square would be gigabytes.
    """
    import PIL.Image

    if picture.size == whole == size:
        return picture
    left, top = (whole[0] - size[0]) // 2, (whole[1] - size[1]) // 2
    across, down = picture.width / whole[0], picture.height / whole[1]
    box = (left * across, top * down, (left + size[0]) * across, (top + size[1]) * down)
    # What reckoning adds in its last digit would lie outside of the picture.
    inside = (*box[:2], min(box[2], picture.width), min(box[3], picture.height))
    return picture.resize(size, PIL.Image.Resampling[_FILTERS.get(name, "LANCZOS")], inside)
