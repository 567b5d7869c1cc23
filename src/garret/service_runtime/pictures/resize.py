"""Pictures made larger or smaller by arithmetic, and cut in their middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import PIL.Image

_FILTERS = {"None": "NEAREST", "Nearest": "NEAREST", "Bicubic": "BICUBIC"}


def resized(picture: PIL.Image.Image, size: tuple[int, int], name: str = "Lanczos") -> PIL.Image.Image:
    """Return a picture at another size by the filter of a name of `asked.PICTURE_UPSCALERS`, else by Lanczos'."""
    import PIL.Image

    if picture.size == size:
        return picture
    return picture.resize(size, PIL.Image.Resampling[_FILTERS.get(name, "LANCZOS")])


def cut(picture: PIL.Image.Image, size: tuple[int, int]) -> PIL.Image.Image:
    """Return the middle of a picture that is at least as large as a size."""
    if picture.size == size:
        return picture
    left, top = (picture.width - size[0]) // 2, (picture.height - size[1]) // 2
    return picture.crop((left, top, left + size[0], top + size[1]))
