"""The page's files: Gradio's and ours, packed once, and named so that a browser asks for each only once."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import sysconfig
from functools import cache, cached_property
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

PREFIX = "/ui"
OURS = Path(__file__).resolve().parent.parent / "ui" / "own"
PRELOADS = OURS.parent / "preloads.json"
"""Names of those of Gradio's files that are needed before anything is drawn later; `python -m tests.page.preloads`
writes it."""
GRADIO = Path(sysconfig.get_paths()["purelib"]) / "gradio" / "templates" / "frontend" / "assets"
FOR_EVER = "private, max-age=31536000, immutable"
_PACKED = (".js", ".css", ".svg", ".json")
_QUALITY = 5
# Gradio tells the process's own table other names.
_TYPES = mimetypes.MimeTypes()
_TYPES.add_type("text/javascript", ".js")


class Assets:
    """Finds files by their paths below the page's prefix.

    `/assets/NAME` is Gradio's, `/own/DIGEST/NAME` ours, `/kept/DIGEST.js` or `.css` what was made here; `/docs.css`
    belongs to the pages that are not Gradio's.
    """

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        styles = "\n".join(path.read_text("utf-8") for path in sorted(OURS.glob("*.css")))
        self.styles = self.keep(styles, ".css")
        """The address of all our styles in one: a browser draws nothing before it has them."""

    def keep(self, text: str, suffix: str) -> str:
        """Return the address of a script or a style that is only in memory, named by what is in it."""
        data = text.encode("utf-8")
        name = f"{hashlib.sha256(data).hexdigest()[:16]}{suffix}"
        self._kept[name] = data
        return f"{PREFIX}/kept/{name}"

    @cached_property
    def digest(self) -> str:
        """What all our files are named by, so that another version's are others."""
        whole = hashlib.sha256()
        for path in sorted(OURS.iterdir()):
            whole.update(path.name.encode() + b"\0" + path.read_bytes())
        return whole.hexdigest()[:16]

    def own(self, name: str) -> str:
        """Return the address of one of our files, relative to the page."""
        return f"{PREFIX}/own/{self.digest}/{name}"

    async def file(self, path: str, request: Request) -> Response | None:
        """Return a file, None when there is none at this path."""
        if path.startswith("/kept/") and (kept := self._kept.get(path.removeprefix("/kept/"))) is not None:
            return await kept_answer(kept, str(_TYPES.guess_type(path)[0]), {"cache-control": FOR_EVER}, request)
        found = self._path(path)
        if found is None:
            return None
        kind = _TYPES.guess_type(found.name)[0] or "application/octet-stream"
        # What has no digest in its address may be another file tomorrow.
        headers = {"cache-control": FOR_EVER if found.name != "docs.css" else "no-cache", "vary": "accept-encoding"}
        packs = takes_brotli(request) and found.suffix in _PACKED
        if packs:
            headers["content-encoding"] = "br"
        return Response(await asyncio.to_thread(_read, found, packs), media_type=kind, headers=headers)

    def _path(self, path: str) -> Path | None:
        parts = path.split("/")
        if path == "/docs.css":
            return OURS.parent / "docs.css"
        if len(parts) == 3 and parts[1] == "assets":
            return _file(GRADIO, parts[2])
        if len(parts) == 4 and parts[1:3] == ["own", self.digest]:
            return _file(OURS, parts[3])
        return None


async def kept_answer(data: bytes, kind: str, headers: dict[str, str], request: Request) -> Response:
    """Return bytes that are the same for everybody, packed at most once."""
    headers |= {"vary": "accept-encoding"}
    if takes_brotli(request):
        data, headers["content-encoding"] = await asyncio.to_thread(_packed, data), "br"
    return Response(data, media_type=kind, headers=headers)


def _file(folder: Path, name: str) -> Path | None:
    path = folder / name
    return path if path.parent == folder and not name.startswith(".") and path.is_file() else None


@cache
def _read(path: Path, packs: bool) -> bytes:
    """Return a file's bytes, packed by Brotli at most once; all that one page needs are some 2 MB."""
    data = path.read_bytes()
    return packed(data) if packs else data


@cache
def _packed(data: bytes) -> bytes:
    return packed(data)


def takes_brotli(request: Request) -> bool:
    """Say whether a browser unpacks Brotli; it offers that over TLS and to this machine itself."""
    return "br" in (one.split(";")[0].strip() for one in request.headers.get("accept-encoding", "").split(","))


def packed(data: bytes) -> bytes:
    """Return bytes packed by Brotli."""
    import brotli  # type: ignore[import-untyped]

    return bytes(brotli.compress(data, quality=_QUALITY))
