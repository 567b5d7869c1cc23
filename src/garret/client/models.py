"""The models on the node: listed, brought there from the web or from this machine's disk, and taken away."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from garret.client.asking import Asking, part
from garret.client.errors import Conflict, DownloadFailed, Later, Misused, Stalled, Unreachable
from garret.client.operation import operation
from garret.client.records import Download, Model
from garret.client.steps import Pause, Steps, worked

D = TypeVar("D")
Known: TypeAlias = list[Model]
Bin: TypeAlias = list[Mapping[str, Any]]
Downloads: TypeAlias = list[Download]
ToldDownload = Callable[[Download], object]
ToldBytes = Callable[[str, int, int], object]
"""Hears of a stage (`hash`, `upload`), of bytes done, and of bytes in all."""

TRIES = 6
"""A chunk that brings nothing is sent so often."""
LOOK_S = 2.0
_PIECE = 1 << 20
_CHUNK_S, _FINISH_S = 120.0, 600.0
_WEB = ("https://", "http://")


@dataclass(frozen=True)
class LocalFile:
    """A file of this machine, as it was when it was looked at; `sha256` in hexadecimal."""

    path: Path
    size: int
    modified_ns: int
    sha256: str

    @classmethod
    def of(cls, path: Path, told: ToldBytes | None = None) -> LocalFile:
        """Read it once; blocks as long as that takes.

        Raises:
            Misused: it cannot be read, or is empty.
        """
        digest, done = hashlib.sha256(), 0
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from error
        if not status.st_size:
            raise Misused(f"{path} is empty", "Give the path of a .safetensors file")
        for piece in _pieces(path):
            digest.update(piece)
            done += len(piece)
            if told is not None:
                told("hash", done, status.st_size)
        return cls(path, status.st_size, status.st_mtime_ns, digest.hexdigest())

    def check(self) -> None:
        """Refuse a file that somebody has changed since: its beginning and end would not belong together.

        Raises:
            Misused: somebody has.
        """
        status = self.path.stat()
        if (status.st_size, status.st_mtime_ns) != (self.size, self.modified_ns):
            raise Misused(f"{self.path} was changed while it was sent", "Give the command again")

    def piece(self, offset: int, count: int) -> bytes:
        """Return bytes from the middle of what was looked at; blocks."""
        self.check()
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(count)


class Models(Asking[D]):
    """`client.models`: types are checkpoint, lora, vae, embedding, upscaler and other."""

    @operation
    def list(self, /, type: str = "checkpoint") -> Steps[Known]:
        """Return the models of a type, or those of `all` types."""
        return [Model.read(one) for one in (yield from self.rows("/v1/models", {"type": type}))]

    @operation
    def get(self, /, name: str, type: str = "checkpoint") -> Steps[Model]:
        """Return one model."""
        return Model.read((yield from self.json("GET", _path(type, name))))

    @operation
    def about(self, /, name: str, type: str = "checkpoint") -> Steps[Mapping[str, Any]]:
        """Return what a model's maker says of it: `words` that call it, `tags`, `description`, `license` and more."""
        return (yield from self.table("GET", f"{_path(type, name)}/about"))

    @operation
    def preview(self, /, name: str, type: str = "checkpoint") -> Steps[bytes]:
        """Return the picture that belongs to a model."""
        return (yield from self.reply("GET", f"{_path(type, name)}/preview")).body

    @operation
    def thumbnail(self, /, name: str, type: str = "checkpoint") -> Steps[bytes]:
        """Return that picture small, at most 384 pixels wide and high, as WebP."""
        return (yield from self.reply("GET", f"{_path(type, name)}/thumbnail")).body

    @operation
    def set_preview(self, /, name: str, picture: bytes | str, type: str = "checkpoint") -> Steps[None]:
        """Give a model its picture: a file's bytes, or the id of one of the caller's images."""
        body = picture if isinstance(picture, bytes) else {"image": picture}
        yield from self.json("PUT", f"{_path(type, name)}/preview", body)

    @operation
    def refresh(self, /) -> Steps[None]:
        """Look anew at the node's folders."""
        yield from self.json("POST", "/v1/models/refresh", {}, again=True)

    @operation
    def choose(self, /, name: str) -> Steps[None]:
        """Make a checkpoint the one that requests get which name none."""
        yield from self.json("PUT", "/v1/settings", {"checkpoint": name})

    @operation
    def remove(
        self, /, name: str, type: str, *, force: bool = False, for_good: bool = False
    ) -> Steps[Mapping[str, Any]]:
        """Take a model away: to the node's bin, from which `restore` brings it back, or for good.

        Return what lies in the bin. The checkpoint that requests get is only taken with `force`.
        """
        query = {"force": "true" if force else "", "for_good": "true" if for_good else ""}
        said: Mapping[str, Any] | None = yield from self.json("DELETE", _path(type, name), query=query)
        return said or {}

    @operation
    def bin(self, /) -> Steps[Bin]:
        """Return what was taken away and can be had back."""
        return (yield from self.rows("/v1/bin"))

    @operation
    def restore(self, /, identifier: str) -> Steps[Mapping[str, Any]]:
        """Put back what lies in the bin under this id."""
        return (yield from self.table("POST", f"/v1/bin/{part(identifier)}/restore", {}))

    @operation
    def begin_download(self, /, url: str, *, type: str = "checkpoint", name: str = "", **more: Any) -> Steps[Download]:
        """Let the node fetch a model and return at once.

        `url` is a file's address, or where it is on a hub: civitai:ID, hf:owner/repo/file, modelscope:…, oss://…
        `more` is what `garret ops download-model` takes: sha256, kind, directory, force, token (which is not kept).
        """
        return (yield from self._begin(url, type, name, more))

    @operation
    def download(
        self, /, url: str, *, type: str = "checkpoint", name: str = "", told: ToldDownload | None = None, **more: Any
    ) -> Steps[Download]:
        """Let the node fetch a model, as `begin_download`, and wait until it is there; `told` hears of its bytes.

        Whoever gives up waiting leaves it going on: `downloads`, `cancel_download`.

        Raises:
            DownloadFailed: it did not arrive, and why.
        """
        seen = yield from self._begin(url, type, name, more)
        while not seen.over:
            if told is not None:
                told(seen)
            query, restart_s = {"wait": f"{LOOK_S:g}"}, self.manners.restart_s
            said = yield from self.json("GET", f"/v1/downloads/{part(seen.id)}", query=query, silence_s=restart_s)
            seen = Download.read(said)
        if told is not None:
            told(seen)
        if seen.state != "Success":
            raise DownloadFailed(seen)
        return seen

    @operation
    def downloads(self, /) -> Steps[Downloads]:
        """Return the downloads that the node remembers, newest first."""
        return [Download.read(one) for one in (yield from self.rows("/v1/downloads"))]

    @operation
    def cancel_download(self, /, download: Download | str) -> Steps[None]:
        """Stop a download; what came of it is kept for another try."""
        yield from self.json("DELETE", f"/v1/downloads/{part(download if isinstance(download, str) else download.id)}")

    @operation
    def upload(
        self, /, path: str | Path, *, type: str = "checkpoint", name: str = "", kind: str = "model",
        directory: str = "", force: bool = False, told: ToldBytes | None = None,
    ) -> Steps[Model]:  # fmt: skip
        """Bring a file from this machine, in chunks that a broken connection does not undo, and return the model.

        What an earlier try brought is not sent again, nor a file that the node has already.

        Raises:
            BadRequest, Refused: the node does not take it, and why. Stalled: its line brings nothing.
        """
        local = yield from worked(lambda: LocalFile.of(Path(path), told))
        wish = {"type": type, "name": name or local.path.stem, "kind": kind, "directory": directory, "force": force}
        placed = yield from self.sending(local, wish, told)
        return Model.read({"name": wish["name"], "type": type, **placed})

    @operation
    def send(
        self, /, local: LocalFile, wish: Mapping[str, Any], told: ToldBytes | None = None
    ) -> Steps[Mapping[str, Any]]:
        """Bring a file that was looked at; return what the node says of it, `already_there` and `bytes_sent`."""
        return (yield from self.sending(local, wish, told))

    def sending(
        self, local: LocalFile, wish: Mapping[str, Any], told: ToldBytes | None = None
    ) -> Steps[Mapping[str, Any]]:
        """What `send` does, for other definitions; whoever is told may stop it by raising."""
        announced = {**wish, "size": local.size, "sha256": local.sha256}
        state = yield from self._announce(announced)
        if state.get("model"):
            return {**state["model"], "already_there": True, "bytes_sent": 0}
        tries, sent = 0, 0
        if told is not None:
            told("upload", int(state["received"]), local.size)
        while (before := int(state["received"])) < local.size:
            offset, most = before, int(state["chunk_bytes"])
            chunk = yield from worked(lambda offset=offset, most=most: local.piece(offset, most))  # type: ignore[misc]
            try:
                state = yield from self._chunk(str(state["id"]), before, chunk)
            except (Unreachable, Conflict, Later) as error:
                # Sent twice, or cut off: the node knows how much it has.
                tries += 1
                if tries > TRIES:
                    raise Stalled(
                        f"gave up after {TRIES} tries that brought nothing: {error.message}", error.hint
                    ) from error
                yield Pause(min(0.5 * 2**tries, 15))
                state = yield from self._announce(announced)
            if int(state["received"]) > before:
                tries, sent = 0, sent + int(state["received"]) - before
            if told is not None:
                told("upload", int(state["received"]), local.size)
        model = yield from self._finished(str(state["id"]), announced)
        return {**model, "already_there": False, "bytes_sent": sent}

    def _finished(self, identifier: str, announced: Mapping[str, Any]) -> Steps[Mapping[str, Any]]:
        """Let the node check the file; where its answer is lost, it says whether it has the file by now."""
        try:
            path = f"/v1/uploads/{part(identifier)}/finish"
            return (yield from self.table("POST", path, {}, timeout_s=_FINISH_S))
        except Unreachable as error:
            known = (yield from self._announce(announced)).get("model")
            if not known:
                raise error
            return dict(known)

    def _announce(self, announced: Mapping[str, Any]) -> Steps[dict[str, Any]]:
        said = yield from self.table("POST", "/v1/uploads", announced, again=True)
        return dict(said)

    def _chunk(self, identifier: str, offset: int, chunk: bytes) -> Steps[dict[str, Any]]:
        path = f"/v1/uploads/{part(identifier)}"
        said = yield from self.table("PUT", path, chunk, query={"offset": str(offset)}, timeout_s=_CHUNK_S, silence_s=0)
        return dict(said)

    def _begin(self, url: str, model_type: str, name: str, more: Mapping[str, Any]) -> Steps[Download]:
        body = {"url" if url.startswith(_WEB) else "from": url, "type": model_type, "name": name, **more}
        said = {key: value for key, value in body.items() if value != ""}
        # The same wish again is the same download as long as it goes on.
        return Download.read((yield from self.json("POST", "/v1/models", said, again=True)))


def _path(model_type: str, name: str) -> str:
    return f"/v1/models/{part(model_type)}/{part(name)}"


def _pieces(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes; only errors of the file itself are told as such, not those of who is told of them."""
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> Misused:
    return Misused(f"{path}: {error.strerror or error}", "Give the path of a .safetensors file")
