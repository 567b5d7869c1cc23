"""What the service tells, as frozen records; `raw` is all it said, with what this client has no name for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from garret.client.errors import Misused
from garret.client.reading import table

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}


@dataclass(frozen=True)
class Progress:
    """How far a job is: a step of the batch that is being made, and the share of the whole job, 0 to 1."""

    step: int
    steps: int
    stage: str
    pictures_done: int
    pictures: int
    share: float


@dataclass(frozen=True)
class PictureFacts:
    """One finished picture of a job, still on the node; `size` in bytes."""

    number: int
    url: str
    media_type: str
    size: int
    seed: int | None
    infotext: str


@dataclass(frozen=True)
class Picture:
    """One finished picture: its file as the service made it, and what it was made with."""

    data: bytes = field(repr=False)
    media_type: str = "image/png"
    number: int = 0
    seed: int | None = None
    infotext: str = ""
    job_id: str = ""

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file, whole or not at all; a folder takes it under a name of its own. Return where it is."""
        target = Path(path)
        if target.is_dir():
            target /= f"{self.job_id or 'picture'}-{self.number}{_SUFFIXES.get(self.media_type, '.png')}"
        if target.exists() and not target.is_file():
            # A device or a pipe, in whose place root would else put a file.
            with target.open("wb") as into:
                into.write(self.data)
            return target
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            beside.write_bytes(self.data)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        return target

    def image(self) -> PillowImage:
        """Return it for Pillow, which must be installed."""
        from io import BytesIO

        try:
            import PIL.Image
        except ImportError:
            raise Misused("this Python has no Pillow", "pip install pillow; or use data, or save()") from None
        return PIL.Image.open(BytesIO(self.data))


@dataclass(frozen=True)
class Job:
    """One accepted request; times are seconds since 1970, `position` is the place in line (0: being made)."""

    id: str
    state: str
    position: int | None
    progress: Progress | None
    pictures: tuple[PictureFacts, ...]
    created_at: float
    started_at: float | None
    ended_at: float | None
    error: str
    why: str
    notes: Mapping[str, str]
    request: Mapping[str, Any] = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.ended_at is not None

    @property
    def succeeded(self) -> bool:
        """Whether all its pictures are there."""
        return self.state == "Success"

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return 1.0 if self.succeeded else self.progress.share if self.progress else 0.0

    @property
    def where(self) -> str:
        """Where it is, in words."""
        if self.over or self.progress is None:
            return self.state.lower()
        if self.state == "Queued":
            return f"number {self.position} in line"
        at = self.progress
        made = f", {at.pictures_done} of {at.pictures} pictures made" if at.pictures > 1 else ""
        return f"{at.stage}, step {at.step} of {at.steps}{made}"

    @property
    def sign(self) -> tuple[object, ...]:
        """What changes as long as it goes on."""
        at = self.progress
        moved = (at.step, at.stage, at.pictures_done) if at else ()
        return (self.state, self.position, self.raw.get("tries"), *moved)

    @classmethod
    def read(cls, value: object) -> Job:
        """Read the service's record.

        Raises:
            Unreadable: it is none.
        """
        said = table(value, "a job", ("id", "url", "state", "ended_at", "pictures"))
        progress, error = said.get("progress"), said.get("error") or {}
        return cls(
            id=str(said["id"]),
            state=str(said["state"]),
            position=said.get("position"),
            progress=_picked(Progress, progress) if isinstance(progress, dict) else None,
            pictures=tuple(_facts(one) for one in said["pictures"]),
            created_at=float(said.get("created_at") or 0),
            started_at=said.get("started_at"),
            ended_at=said["ended_at"],
            error=str(error.get("error") or ""),
            why=str(error.get("message") or ""),
            notes=dict(said.get("notes") or {}),
            request=dict(said.get("request") or {}),
            raw=said,
        )


@dataclass(frozen=True)
class Model:
    """A model file on the node; `size` in bytes, `native_size` in pixels, `problem` why it cannot be used."""

    name: str
    type: str
    family: str = ""
    size: int = 0
    sha256: str = ""
    native_size: int | None = None
    problem: str = ""
    is_default: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, value: object) -> Model:
        """Read the service's record.

        Raises:
            Unreadable: it is none.
        """
        said = table(value, "a model", ("name", "type"))
        return cls(
            name=str(said["name"]),
            type=str(said["type"]),
            family=str(said.get("family") or ""),
            size=int(said.get("size") or 0),
            sha256=str(said.get("sha256") or ""),
            native_size=said.get("native_size"),
            problem=str(said.get("problem") or ""),
            is_default=bool(said.get("is_default")),
            raw=said,
        )


@dataclass(frozen=True)
class Download:
    """A model on its way to the node; `done` and `total` in bytes, where they are known; `output` is what came."""

    id: str
    state: str
    done: int
    total: int
    why: str
    hint: str
    output: Mapping[str, Any]
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in ("Success", "Failed", "Cancelled")

    @classmethod
    def read(cls, value: object) -> Download:
        """Read the service's record of an execution.

        Raises:
            Unreadable: it is none.
        """
        said = table(value, "a download", ("id", "status"))
        progress, error = said.get("progress") or {}, said.get("error") or {}
        return cls(
            id=str(said["id"]),
            state=str(said["status"]),
            done=int(progress.get("done") or 0),
            total=int(progress.get("total") or 0),
            why=str(error.get("message") or ""),
            hint=str(error.get("hint") or ""),
            output=dict(said.get("output") or {}),
            raw=said,
        )


@dataclass(frozen=True)
class Image:
    """A finished picture of the caller's on the node; `raw` has what it was made with."""

    id: str
    job_id: str
    number: int
    media_type: str
    width: int
    height: int
    size: int
    seed: int | None
    prompt: str
    infotext: str
    created_at: float
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, value: object) -> Image:
        """Read the service's record.

        Raises:
            Unreadable: it is none.
        """
        said = table(value, "an image", ("id",))
        job_id, _, number = str(said["id"]).rpartition("-")
        return cls(
            id=str(said["id"]),
            job_id=str(said.get("job") or job_id),
            number=int(said.get("number") or (number if number.isdecimal() else 0)),
            media_type=str(said.get("media_type") or "image/png"),
            width=int(said.get("width") or 0),
            height=int(said.get("height") or 0),
            size=int(said.get("size") or 0),
            seed=said.get("seed"),
            prompt=str(said.get("prompt") or ""),
            infotext=str(said.get("infotext") or ""),
            created_at=float(said.get("created_at") or 0),
            raw=said,
        )


def _facts(value: object) -> PictureFacts:
    said = table(value, "a picture", ("url",))
    return PictureFacts(
        number=int(said.get("number", 0)),
        url=str(said["url"]),
        media_type=str(said.get("media_type") or "image/png"),
        size=int(said.get("size") or 0),
        seed=said.get("seed"),
        infotext=str(said.get("infotext") or ""),
    )


def _picked(kind: type[Progress], said: Mapping[str, Any]) -> Progress:
    return kind(
        step=int(said.get("step") or 0),
        steps=int(said.get("steps") or 0),
        stage=str(said.get("stage") or ""),
        pictures_done=int(said.get("pictures_done") or 0),
        pictures=int(said.get("pictures") or 1),
        share=float(said.get("share") or 0.0),
    )
