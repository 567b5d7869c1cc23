"""What becomes of a picture that a worker has made: a file with its text in it, then a finished job."""

from __future__ import annotations

import errno
import time
from pathlib import Path

from garret.service_runtime.background import Background
from garret.service_runtime.errors import InsufficientStorage, ServiceError
from garret.service_runtime.files import sweep, write_atomically
from garret.service_runtime.jobs import JobStore
from garret.service_runtime.live import Live, LiveJobs
from garret.service_runtime.messages import Made
from garret.service_runtime.pictures.encode import ENDINGS
from garret.service_runtime.pictures.finish import Finished, Finisher
from garret.service_runtime.request import ImageResult


class Results:
    """The folder of pictures; a file in it is whole, and a finished job's record names only such files."""

    def __init__(
        self, folder: Path, store: JobStore, live: LiveJobs, background: Background, finisher: Finisher
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        self.folder = folder
        self._store = store
        self._live = live
        self._background = background
        self._finisher = finisher

    def path(self, name: str) -> Path:
        """Return where a picture of a job's record lies."""
        return self.folder / name

    def sweep(self) -> None:
        """Delete what a killed service left half-written."""
        sweep(self.folder)

    async def save(self, live: Live, index: int, made: Made) -> None:
        """Keep one picture; with the last one its job is finished."""
        try:
            finished = await self._background.in_thread(self._write, live, index, made)
        except Exception as error:  # noqa: BLE001  (a picture that cannot be kept fails its job, not the service)
            self._live.fail(live, storage_error(error))
            return
        live.pictures[index], live.infotexts[index] = finished.file, finished.infotext
        live.notes.update(finished.notes)
        if len(live.pictures) == live.request.count and self._live.get(live.job_id) is live:
            await self._finish(live)

    async def forget(self, age_s: float) -> None:
        """Delete the jobs that ended so long ago, with their pictures."""
        for name in await self._background.in_thread(self._store.forget_before, time.time() - age_s):
            self.path(name).unlink(missing_ok=True)

    async def _finish(self, live: Live) -> None:
        names = tuple(_name(live, number) for number in range(live.request.count))
        await self._background.in_thread(self._store.finish, live.job_id, names)
        self._live.close(live)
        if not live.future.done():
            live.future.set_result(result_of(live))

    def _write(self, live: Live, index: int, made: Made) -> Finished:
        name = _name(live, index)
        finished = self._finisher.finish(live.prepared, index, made, Path(name).stem)
        write_atomically(self.path(name), finished.file, 0o640)
        return finished


def result_of(live: Live) -> ImageResult:
    """Return what the caller of a job with all its pictures gets."""
    count, model = live.request.count, live.model
    texts = tuple(live.infotexts[index] for index in range(count))
    pictures = tuple(live.pictures[index] for index in range(count))
    seconds = time.time() - live.began
    return ImageResult(live.job_id, live.request, pictures, texts, model.name, model.sha256, seconds, live.notes)


def storage_error(error: BaseException) -> ServiceError:
    """Return what a caller is told when something could not be kept on the disk."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InsufficientStorage("the disk is full", "Delete models or pictures")
    if isinstance(error, ServiceError):
        return error
    return ServiceError(f"the picture could not be kept: {type(error).__name__}: {error}")


def _name(live: Live, index: int) -> str:
    return f"{live.job_id}-{index:02d}{ENDINGS[live.request.output.format]}"
