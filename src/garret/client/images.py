"""The caller's finished pictures, newest first, whichever door they were asked for by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

from garret.client.asking import Asking, part
from garret.client.errors import NotFound
from garret.client.operation import operation, stream
from garret.client.records import Image, Picture
from garret.client.steps import Emit, Steps

D = TypeVar("D")
Found: TypeAlias = list[Image]
_PAGE = 100


class Images(Asking[D]):
    """`client.images`: an id stands for an image wherever one is asked for."""

    @operation
    def list(self, /, *, limit: int = 100, before: Image | str = "", q: str = "") -> Steps[Found]:
        """Return the newest: older than the image `before`, with all the words of `q` in what they were made from."""
        return (yield from self._list(limit, before, q))

    @stream(Image)
    def all(self, /, *, q: str = "") -> Steps[None]:
        """Yield all of them, newest first, asking for more as they are needed; what was yielded may be deleted."""
        page = yield from self._list(_PAGE, "", q)
        while page:
            # Asked for beforehand: where a page ends is not known any more when its last image's job is forgotten.
            later = [] if len(page) < _PAGE else (yield from self._list(_PAGE, page[-1], q))
            for one in page:
                yield Emit(one)
            page = later

    @operation
    def get(self, /, image: Image | str) -> Steps[Image]:
        """Return all that is known of one."""
        return Image.read((yield from self.json("GET", f"/v1/images/{_id(image)}")))

    @operation
    def file(self, /, image: Image | str) -> Steps[Picture]:
        """Return the picture itself, as it was made."""
        facts = (
            image if isinstance(image, Image) else Image.read((yield from self.json("GET", f"/v1/images/{_id(image)}")))
        )
        reply = yield from self.reply("GET", f"/v1/images/{_id(image)}/file")
        kind = reply.headers.get("content-type", facts.media_type)
        return Picture(reply.body, kind, facts.number, facts.seed, facts.infotext, facts.job_id)

    @operation
    def thumbnail(self, /, image: Image | str) -> Steps[bytes]:
        """Return a small copy, at most 384 pixels wide and high, as WebP."""
        return (yield from self.reply("GET", f"/v1/images/{_id(image)}/thumbnail")).body

    @operation
    def link(self, /, image: Image | str) -> Steps[str]:
        """Return an address that shows the picture to whoever has it, without a login, for as long as the node says."""
        return str((yield from self.json("POST", f"/v1/images/{_id(image)}/link", again=True))["url"])

    @operation
    def remove(self, /, image: Image | str) -> Steps[bool]:
        """Delete one, and say whether it was there."""
        try:
            yield from self.json("DELETE", f"/v1/images/{_id(image)}")
        except NotFound:
            return False
        return True

    @operation
    def read(self, /, file: bytes) -> Steps[Mapping[str, Any]]:
        """Return what a picture's file says of how it was made: `infotext`, `fields` for a request, its size."""
        return (yield from self.table("POST", "/v1/images/read", file, again=True))

    def _list(self, limit: int, before: Image | str, words: str) -> Steps[Found]:
        query = {"limit": limit, "before": before.id if isinstance(before, Image) else before, "q": words}
        return [Image.read(one) for one in (yield from self.rows("/v1/images", query))]


def _id(image: Image | str) -> str:
    return part(image.id if isinstance(image, Image) else image)
