"""The hooks `routes` and `page`: what extensions answer themselves, and what they add to the web page."""

from __future__ import annotations

import html
import logging
import mimetypes
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.responses import Response

from garret.service_runtime.errors import NotFound
from garret.service_runtime.extensions.loading import Extensions, in_time

PREFIX = "/extensions"
LIMIT_S = 30.0
_END_OF_HEAD = "</head>"
logger = logging.getLogger(__name__)
# Of its own: others in the process change the common table.
_TYPES = mimetypes.MimeTypes()
_TYPES.add_type("text/javascript", ".js")


class Pages:
    """The files of each extension's page, by the extension's name."""

    def __init__(self) -> None:
        self._pages: dict[str, Any] = {}

    def add(self, name: str, page: Any) -> None:
        """Take one extension's page; refuses files that are not there."""
        for file in (*page.scripts, *page.styles):
            if self._path(page, file) is None:
                raise FileNotFoundError(f"{file!r} is not a file in {page.folder}")
        self._pages[name] = page

    def into(self, text: str) -> str:
        """Return the web page with everybody's scripts and styles in it."""
        tags = []
        for name, page in sorted(self._pages.items()):
            where = f"{PREFIX}/{name}/files/"
            tags += [f'<link rel="stylesheet" href="{html.escape(where + file)}">' for file in page.styles]
            tags += [f'<script src="{html.escape(where + file)}" defer></script>' for file in page.scripts]
        return text.replace(_END_OF_HEAD, "".join(f"  {tag}\n" for tag in tags) + _END_OF_HEAD, 1)

    def file(self, name: str, file: str) -> Response:
        """Return one file."""
        page = self._pages.get(name)
        path = self._path(page, file) if page is not None else None
        if path is None:
            raise NotFound(f"the extension {name[:64]!r} has no file {file[:64]!r}")
        kind = _TYPES.guess_type(path.name)[0] or "application/octet-stream"
        return Response(path.read_bytes(), media_type=kind)

    def _path(self, page: Any, file: str) -> Path | None:
        folder = Path(page.folder).resolve()
        path = (folder / file).resolve()
        return path if path.parent == folder and path.is_file() else None


def add_extensions(app: FastAPI, extensions: Extensions) -> Pages:
    """Let the extensions answer below /extensions; one whose routes or page are wrong is left out, by its name."""
    pages = Pages()

    @app.get(PREFIX + "/{name}/files/{file}", include_in_schema=False)
    async def page_file(name: str, file: str) -> Response:
        return pages.file(name, file)

    for extension, function, _ in extensions.implementations("routes"):
        try:
            router = in_time(function, LIMIT_S)
            if router is not None:
                _include(app, extension.name, router)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever it is, the service lives on without)
            extensions.fail(extension, error)
    for extension, function, _ in extensions.implementations("page"):
        try:
            page = in_time(function, LIMIT_S)
            if page is not None:
                pages.add(extension.name, page)
        except (Exception, SystemExit) as error:  # noqa: BLE001
            extensions.fail(extension, error)
    return pages


def _include(app: FastAPI, name: str, router: Any) -> None:
    if not isinstance(router, APIRouter):
        raise TypeError(f"routes returned {type(router).__name__}, not APIRouter")
    # Starting and stopping is the service's; what an extension needs it makes when it is first asked.
    plain = APIRouter(tags=[name])
    plain.routes.extend(router.routes)
    app.include_router(plain, prefix=f"{PREFIX}/{name}")


def name_in(path: str) -> str:
    """Return whose route a path is, or ""."""
    parts = path.split("/")
    return parts[2] if len(parts) > 3 and path.startswith(PREFIX + "/") else ""
