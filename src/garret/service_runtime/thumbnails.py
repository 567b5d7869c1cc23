"""Small forms of finished pictures: made when somebody first looks, kept, and gone with their pictures."""

from __future__ import annotations

import asyncio
import io
import secrets
from collections.abc import Collection
from pathlib import Path

from garret.service_runtime.files import write_atomically

SIDE = 384
"""The longer side, in pixels."""
MEDIA_TYPE = "image/webp"
_QUALITY, _EFFORT = 80, 2
_AT_A_TIME = 2
MOST_CARDS = 5000
"""So many small forms of models' previews are kept; one takes some 5 KB."""
_LOOK_EVERY = 50


class Thumbnails:
    """The folder of them, by the names of their pictures' files; a page of a hundred is made two at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = asyncio.Semaphore(_AT_A_TIME)

    async def of(self, picture: Path) -> bytes:
        """Return a picture's small form as WebP, making it if there is none; a smaller picture keeps its size.

        Raises:
            OSError: the picture is not there, or is none.
        """
        small = self._small(picture.name)
        try:
            return await asyncio.to_thread(small.read_bytes)
        except FileNotFoundError:
            async with self._turn:
                return await asyncio.to_thread(self._made, picture, small)

    async def known(self, name: str, version: str) -> bytes | None:
        """Return the small form of a version of what `name` stands for, None when there is none yet."""
        try:
            return await asyncio.to_thread(self._small(f"{name}.{version}.x").read_bytes)
        except FileNotFoundError:
            return None

    async def keep(self, picture: Path, name: str, version: str) -> bytes:
        """Make the small form of a version, in place of those before.

        Raises:
            OSError: the picture is not there, or is none.
        """
        async with self._turn:
            return await asyncio.to_thread(self._made_anew, picture, name, version)

    def _made_anew(self, picture: Path, name: str, version: str) -> bytes:
        small = self._small(f"{name}.{version}.x")
        data = self._made(picture, small)
        for other in self._folder.glob(f"{name}.*"):
            if other != small:
                other.unlink(missing_ok=True)
        kept = sorted(self._folder.glob("*"), key=_written) if secrets.randbelow(_LOOK_EVERY) == 0 else []
        for oldest in kept[:-MOST_CARDS]:  # of models that went
            oldest.unlink(missing_ok=True)
        return data

    def drop(self, name: str) -> None:
        """Delete the small form of a picture's file."""
        self._small(name).unlink(missing_ok=True)

    def keep_only(self, names: Collection[str]) -> None:
        """Delete those of other pictures than these, and what was half-written."""
        known = {self._small(name).name for name in names}
        for path in self._folder.glob("*"):
            if path.name not in known:
                path.unlink(missing_ok=True)

    def _made(self, picture: Path, small: Path) -> bytes:
        if small.exists():  # made while this one waited for its turn
            return small.read_bytes()
        data = shrink(picture)
        small.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        write_atomically(small, data, 0o640)
        if not picture.exists():  # deleted meanwhile, when there was nothing here to delete
            small.unlink(missing_ok=True)
        return data

    def _small(self, name: str) -> Path:
        return self._folder / f"{Path(name).stem}.webp"


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def shrink(picture: Path) -> bytes:
    """Return a picture's small form; blocks for some tens of milliseconds."""
    import PIL.Image

    with PIL.Image.open(picture) as whole:
        # A JPEG is decoded at an eighth, a quarter or half of its size where that is enough.
        whole.draft("RGB", (SIDE, SIDE))
        small = whole.convert("RGB")
    small.thumbnail((SIDE, SIDE), PIL.Image.Resampling.LANCZOS, reducing_gap=2.0)
    file = io.BytesIO()
    small.save(file, "WEBP", quality=_QUALITY, method=_EFFORT)
    return file.getvalue()


def size_of(picture: Path) -> tuple[int, int] | None:
    """Return a picture's width and height in pixels from its header, None when it cannot be read."""
    import PIL.Image

    try:
        with PIL.Image.open(picture) as whole:
            return whole.width, whole.height
    except OSError:
        return None
