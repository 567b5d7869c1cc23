"""What becomes of a picture that a worker has made: a file with its text in it, then a finished job."""

from __future__ import annotations

import errno
import re
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from garret.service_runtime.background import Background
from garret.service_runtime.errors import Cancelled, InsufficientStorage, ServiceError
from garret.service_runtime.files import write_new
from garret.service_runtime.job_store import JobStore
from garret.service_runtime.jobs import Job, Kept, MadeWith
from garret.service_runtime.live import Live, LiveJobs
from garret.service_runtime.messages import Made
from garret.service_runtime.pictures.encode import ENDINGS, MEDIA_TYPES
from garret.service_runtime.pictures.finish import Finisher
from garret.service_runtime.request import ImageResult
from garret.service_runtime.thumbnails import Thumbnails

# New pictures of so much of what may be kept are looked after at once, the rest every hour.
_PART = 16
# The folder may be one that a person chose, with other files in it.
_OURS = re.compile(r"[0-9a-f]{32}\.(png|jpg|webp)(\.part)?")


class Results:
    """The folder of pictures: a file in it is whole, a record names only such files, and what none names is deleted.

    `earlier` is where versions before this one kept them; `keep_bytes` is how much all of them may have, 0 for any.
    """

    def __init__(
        self,
        folder: Path,
        store: JobStore,
        live: LiveJobs,
        background: Background,
        finisher: Finisher,
        *,
        earlier: Path | None = None,
        keep_bytes: int = 0,
        thumbnails: Thumbnails,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        self.folder = folder
        self._earlier = earlier
        self._store = store
        self._live = live
        self._background = background
        self._finisher = finisher
        self._keep_bytes = keep_bytes
        self._new_bytes = 0
        self.thumbnails = thumbnails

    def path(self, name: str) -> Path:
        """Return where a picture of a job's record lies."""
        path = self.folder / name
        return path if self._earlier is None or path.exists() else self._earlier / name

    def sweep(self) -> None:
        """Delete what a killed service left: files that are half-written, and whole ones that no record names yet."""
        known = self._store.names()
        ours = [path for path in self.folder.iterdir() if _OURS.fullmatch(path.name)]
        if self._earlier is not None and self._earlier.is_dir():
            ours += list(self._earlier.iterdir())
        for path in ours:
            if path.name not in known:
                path.unlink(missing_ok=True)
        self.thumbnails.keep_only(known)

    def read(self, job: Job) -> dict[int, bytes]:
        """Return the files of a job that are there, by their numbers."""
        found = {}
        for number, kept in job.pictures.items():
            with suppress(FileNotFoundError):
                found[number] = self.path(kept.name).read_bytes()
        return found

    async def save(self, live: Live, index: int, made: Made) -> None:
        """Keep one picture; with the last one its job is finished."""
        try:
            picture, kept, notes = await self._background.in_thread(self._write, live, index, made)
            if self._live.get(live.job_id) is not live or index in live.kept:
                # Its job has ended meanwhile, or the worker that had made it first was thought lost.
                self._delete([kept.name])
                return
            live.pictures[index], live.kept[index] = picture, kept
            live.notes.update(notes)
            if len(live.kept) == live.request.count:
                await self.finish(live)
            elif not await self._background.in_thread(self._store.keep, live.job_id, index, kept):
                await self._background.in_thread(self._delete_unnamed, live)
        except Exception as error:  # noqa: BLE001  (a picture that cannot be kept fails its job, not the service)
            self._live.fail(live, storage_error(error))

    async def finish(self, live: Live) -> None:
        """Note that a job has all its pictures, and give them to who waits."""
        result = result_of(live)
        made = MadeWith(result.model_name, result.model_sha256, round(result.seconds, 3), result.notes)
        if not await self._background.in_thread(self._store.finish, live.job_id, live.kept, made):
            # Its cancelling was written down first, and is what who waits is told.
            await self._background.in_thread(self._delete_unnamed, live)
            self._live.fail(live, Cancelled("the job was over before its last picture"))
            return
        self._live.close(live)
        if not live.future.done():
            live.future.set_result(result)
        self._new_bytes += sum(kept.size for kept in live.kept.values())
        if self._keep_bytes and self._new_bytes > self._keep_bytes // _PART:
            self._new_bytes = 0
            self._background.spawn(self._background.in_thread(self._make_room))

    async def forget(self, age_s: float) -> None:
        """Delete the jobs that ended so long ago, with their pictures, and the oldest pictures beyond what is kept."""
        await self._background.in_thread(self._forget, time.time() - age_s)

    async def forget_job(self, job_id: str) -> None:
        """Delete a job that is over, with its pictures."""
        self._delete(await self._background.in_thread(self._store.forget, job_id))

    async def delete_picture(self, owner: str, job_id: str, number: int) -> bool:
        """Delete one picture of an owner's job that is over; False when there is none.

        Raises:
            InUse: it is still needed.
        """
        names = await self._background.in_thread(self._store.gallery.delete, owner, job_id, number)
        await self._background.in_thread(self._delete, names)
        return bool(names)

    def _forget(self, before: float) -> None:
        self._delete(self._store.forget_before(before))
        if self._keep_bytes:
            self._make_room()

    def _make_room(self) -> None:
        self._delete(self._store.make_room(self._keep_bytes))

    def _delete(self, names: Iterable[str]) -> None:
        for name in names:
            self.path(name).unlink(missing_ok=True)
            self.thumbnails.drop(name)

    def _delete_unnamed(self, live: Live) -> None:
        """Delete those files of a job that is over which its record does not name."""
        job = self._store.get(live.job_id)
        named = {kept.name for kept in job.pictures.values()} if job is not None else set()
        self._delete(kept.name for kept in list(live.kept.values()) if kept.name not in named)

    def _write(self, live: Live, index: int, made: Made) -> tuple[bytes, Kept, dict[str, str]]:
        form = live.request.output.format
        name = _name(form)
        finished = self._finisher.finish(live.prepared, index, made, Path(name).stem)
        kept = Kept(name, MEDIA_TYPES[form], len(finished.file), finished.infotext)
        # No record names it before it is whole; what a kill left of one, the next start sweeps away.
        write_new(self.folder / kept.name, finished.file, 0o640)
        return finished.file, kept, finished.notes


def result_of(live: Live) -> ImageResult:
    """Return what the caller of a job with all its pictures gets."""
    numbers, model = range(live.request.count), live.model
    texts = tuple(live.kept[number].infotext for number in numbers)
    pictures = tuple(live.pictures[number] for number in numbers)
    seconds = time.time() - live.began
    return ImageResult(live.job_id, live.request, pictures, texts, model.name, model.sha256, seconds, live.notes)


def storage_error(error: BaseException) -> ServiceError:
    """Return what a caller is told when something could not be kept on the disk."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InsufficientStorage("the disk is full", "Delete models or pictures")
    if isinstance(error, ServiceError):
        return error
    return ServiceError(f"the picture could not be kept: {type(error).__name__}: {error}")


def _name(form: str) -> str:
    """Return a new name that nobody can guess, and that says nothing of who asked for what."""
    return f"{secrets.token_hex(16)}{ENDINGS[form]}"
