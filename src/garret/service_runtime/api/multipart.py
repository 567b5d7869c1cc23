"""Bodies of `multipart/form-data` (RFC 7578), read within bounds: texts by their names, and files.

The grammar is python-multipart's, which Starlette reads forms with too. Its own form reader is not used: that one
spills what it does not like to files on the disk, and knows neither how slow a body may come nor how large it may be.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from garret.service_runtime.api.body import read_body
from garret.service_runtime.api.turns import my_turn
from garret.service_runtime.errors import BadRequest, TooLarge
from garret.service_runtime.settings import MAXIMUM_BODY_BYTES, MAXIMUM_PICTURE_BODY_BYTES

MEDIA_TYPE = "multipart/form-data"
MAXIMUM_PARTS = 64
"""The most fields of one form, files among them."""
_PIECE = 1 << 20
_TRUE, _FALSE = ("true", "1"), ("false", "0")


@dataclass(frozen=True)
class File:
    """One file of a form; what its sender calls it is told nobody and used for nothing."""

    data: bytes = field(repr=False)
    media_type: str = ""


@dataclass(frozen=True)
class Form:
    """A form's texts by their names, each of which comes once, and its files, of which several may have one name.

    Texts whose name ends in `[]`, as forms write a list, are in `lists` under the name before that.
    """

    texts: Mapping[str, str]
    files: Mapping[str, tuple[File, ...]]
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def values(
        self, whole: Collection[str] = (), numbers: Collection[str] = (), flags: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return the texts as api/fields reads them: these names as numbers or true and false; empty is absent.

        Raises:
            BadRequest: names the field that is none.
        """
        said: dict[str, Any] = {name: text for name, text in self.texts.items() if text != ""}
        said |= {name: list(texts) for name, texts in self.lists.items() if name not in said}
        said |= {name: _number(name, said[name], int) for name in whole if name in said}
        said |= {name: _number(name, said[name], float) for name in numbers if name in said}
        return said | {name: _flag(name, said[name]) for name in flags if name in said}

    def told(self) -> dict[str, Any]:
        """Return what tells this form from another one, as JSON values: the texts, and the files' digests."""
        digests = {
            name: [hashlib.sha256(file.data).hexdigest() for file in files] for name, files in self.files.items()
        }
        return {
            "texts": dict(self.texts),
            "lists": {name: list(one) for name, one in self.lists.items()},
            "files": digests,
        }


def is_form(request: Request) -> bool:
    """Say whether a body announces itself as a form."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE


async def read_form(
    request: Request, timeout_s: float, limit: int = MAXIMUM_PICTURE_BODY_BYTES, always_files: Collection[str] = ()
) -> Form:
    """Return the body's form; `timeout_s` is the longest silence within it, `limit` its largest size in bytes.

    Parts of the names in `always_files` are files without a filename as well, which some clients leave out.

    Raises:
        BadRequest, TooLarge, TooSlow: it is none, or not within bounds.
    """
    header = request.headers.get("content-type", "")
    media_type, options = parse_options_header(header)
    boundary = options.get(b"boundary", b"")
    if media_type != MEDIA_TYPE.encode() or not boundary:
        hint = f"Send {MEDIA_TYPE} with a boundary, as HTTP clients do by themselves when they are given files"
        raise BadRequest("content-type", f"{header[:80]!r} is no form", hint)
    body = await read_body(request, timeout_s, limit)
    # Pictures take long enough to be found in it for others to notice.
    parse = partial(_parse, body, boundary, always_files)
    form = parse() if len(body) <= _PIECE else await asyncio.to_thread(parse)
    await my_turn()
    return form


@dataclass
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[memoryview] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        """The part's bytes, copied once: a picture is nearly all of its body, which is in memory as well."""
        return b"".join(self.pieces)


class _Reader:
    """Takes what the parser finds, piece by piece, as it has no words for it."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.is_whole = False
        self._name, self._value = bytearray(), bytearray()

    def on_part_begin(self) -> None:
        self.parts.append(_Part())

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].pieces.append(memoryview(data)[start:end])

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        # Names of fields may be in any language, and browsers write them as UTF-8.
        name = self._name.decode("latin-1").lower()
        self.parts[-1].headers[name] = self._value.decode("utf-8", "replace")
        self._name.clear()
        self._value.clear()

    def on_end(self) -> None:
        self.is_whole = True


def _parse(body: bytes, boundary: bytes, always_files: Collection[str]) -> Form:
    # Also where it only looks like one: a body full of them would take the parser a hundred times as long.
    if body.count(b"--" + boundary) > MAXIMUM_PARTS + 1:
        raise TooLarge(f"the form has more than {MAXIMUM_PARTS} fields", "Send fewer")
    reader = _Reader()
    callbacks: Any = {name: getattr(reader, name) for name in dir(reader) if name.startswith("on_")}
    try:
        parser = MultipartParser(boundary, callbacks)
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise BadRequest("body", f"is no form: {str(error)[:120]}") from None
    if not reader.is_whole:
        raise BadRequest("body", "ends before its form does", "End it with the boundary and two hyphens")
    return _form_of(reader.parts, always_files)


def _form_of(parts: list[_Part], always_files: Collection[str]) -> Form:
    texts: dict[str, str] = {}
    files: dict[str, tuple[File, ...]] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for part in parts:
        kind, options = parse_options_header(part.headers.get("content-disposition", "").encode())
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if kind != b"form-data" or not name:
            raise BadRequest("body", "holds a part without a name", 'Say Content-Disposition: form-data; name="…"')
        if b"filename" in options or name in always_files:
            file = File(part.data, part.headers.get("content-type", "").partition(";")[0].strip().lower())
            files[name] = (*files.get(name, ()), file)
        elif name.endswith("[]"):
            name = name.removesuffix("[]")
            lists[name] = (*lists.get(name, ()), _text(name, part.data))
        elif name in texts:
            raise BadRequest(name[:80], "comes more than once")
        else:
            texts[name] = _text(name, part.data)
    return Form(texts, files, lists)


def _text(name: str, data: bytes) -> str:
    if len(data) > MAXIMUM_BODY_BYTES:
        # A picture as base64 is one; nothing else that is meant is so long.
        hint = f"At most {MAXIMUM_BODY_BYTES}; send a picture as a file, with a file name"
        raise TooLarge(f"{name[:80]}: the text has {len(data)} bytes", hint)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        hint = "Send a picture as a file, with a file name"
        raise BadRequest(name[:80], "is not UTF-8 text", hint) from None


def _number(name: str, text: str, kind: type[int] | type[float]) -> int | float:
    what = "a whole number" if kind is int else "a number"
    try:
        if len(text) > 40:
            raise ValueError(text)
        number = float(text)
        if not text.strip().isascii() or "_" in text or (kind is int and not number.is_integer()):
            raise ValueError(text)
        return kind(text) if kind is float or text.strip().lstrip("+-").isdigit() else int(number)
    except (ValueError, OverflowError):
        raise BadRequest(name, f"must be {what}, not {text[:40]!r}") from None


def _flag(name: str, text: str) -> bool:
    lowered = text.strip().lower()
    if lowered not in _TRUE + _FALSE:
        raise BadRequest(name, f"must be true or false, not {text[:40]!r}")
    return lowered in _TRUE
