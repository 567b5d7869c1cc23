"""Where an upload belongs among the models: told before its first byte comes, and given to it after the last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from garret.service_runtime.download_errors import DownloadError
from garret.service_runtime.errors import BadRequest, ModelError
from garret.service_runtime.forms import form_of
from garret.service_runtime.model_files import TYPES, suffixes_of
from garret.service_runtime.names import BadName, model_file_name
from garret.service_runtime.operations.entry import KINDS, folder_of, model_of_preview
from garret.service_runtime.operations.known_files import already_there, remember_hash, under_name
from garret.service_runtime.operations.placing import check_staged, facts, place
from garret.service_runtime.operations.run import WrongParameter
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.transfer import Wanted
from garret.service_runtime.uploads import Announced


@dataclass(frozen=True)
class UploadPlaces:
    """The models of one service, as uploads see them; errors are those that a caller of the service is told."""

    settings: ServiceSettings

    def known(self, announced: Announced) -> dict[str, Any] | None:
        """Return the facts of a file that is on this node already, under the announced name as well from now on.

        Raises:
            BadRequest: a field is wrong; found out before anything is sent.
            ModelError: another file has the name.
        """
        with _told():
            folder = self._folder(announced)
            if announced.kind == "preview":
                model_of_preview(self.settings, folder, announced.name)
                return None
            try:
                name = model_file_name(announced.name, suffixes_of(announced.type))
            except BadName as error:
                raise WrongParameter("name", str(error)) from None
            wanted = Wanted("", folder, name, announced.sha256, form=form_of(announced.type))
            found = already_there(self.settings, wanted)
            if found is None:
                if (folder / name).exists():
                    hint = "Give another --name, or remove that one first: garret ops remove-model"
                    raise DownloadError(f"another file is called {name} already", hint)
                return None
            check_staged(found.path, announced.type, force=announced.force)
            placed = under_name(found, wanted)
            remember_hash(self.settings, placed)
            return facts(self.settings, placed, announced.type)

    def place(self, part: Path, announced: Announced) -> dict[str, Any]:
        """Check a whole file, whose hash is the announced one, and give it its name."""
        with _told():
            self._folder(announced)
            return place(
                self.settings,
                part,
                type=announced.type,
                name=announced.name,
                directory=announced.directory,
                kind=announced.kind,
                digest=announced.sha256,
                force=announced.force,
            )

    def _folder(self, announced: Announced) -> Path:
        if announced.type not in TYPES:
            raise WrongParameter("type", f"{announced.type[:40]!r} is none of {', '.join(TYPES)}")
        if announced.kind not in KINDS:
            raise WrongParameter("kind", f"{announced.kind[:40]!r} is neither model nor preview")
        return folder_of(self.settings, announced.type, announced.directory)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except WrongParameter as error:
        field, _, reason = error.message.partition(": ")
        raise BadRequest(field, reason, error.hint) from None
    except DownloadError as error:
        raise ModelError(error.message, error.hint) from None
