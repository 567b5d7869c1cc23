"""The hook `judge`: an extension that the settings name looks at each finished picture, and may keep it back.

Where it is set and cannot be asked there are no pictures: who wants a filter wants none past it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from garret.service_runtime.batch import Batch
from garret.service_runtime.engine.base import Image
from garret.service_runtime.errors import ExtensionFailed
from garret.service_runtime.extensions.loading import Extensions, failure, in_time

OFF = "off"
LIMIT_S = 60.0
REASON, BLOCKED = "Finish reason", "CONTENT_FILTERED"
"""What is noted of a picture that was kept back: the word that Stability's API has for it."""
_HINT = "`garret ops extensions list` shows which are there; GARRET_SERVICE_SAFETY=off makes pictures without a filter"
logger = logging.getLogger(__name__)


def check_filter(extensions: Extensions | None, name: str) -> None:
    """Refuse to go on when the filter that the settings name cannot be asked."""
    if name == OFF:
        return
    if extensions is not None and name in extensions.failed:
        raise failure(name, extensions.failed[name])
    if extensions is None or not any(one.name == name for one, _, _ in extensions.implementations("judge")):
        raise ExtensionFailed(f"the content filter {name} is not there, or has no hook `judge`", _HINT)


def judged(extensions: Extensions | None, name: str, image: Image, batch: Batch) -> Image:
    """Return the picture, or a black one with a note in its place; ExtensionFailed when the filter does not answer."""
    check_filter(extensions, name)
    if name == OFF or extensions is None:
        return image
    import PIL.Image

    about = {**batch.request.to_dict(), **vars(batch.pictures[image.index])}
    given = {"picture": PIL.Image.frombytes("RGB", (image.width, image.height), image.rgb), "about": about}
    for extension, function, names in extensions.implementations("judge"):
        if extension.name == name:
            try:
                reason = in_time(partial(function, **{one: given[one] for one in names}), LIMIT_S)
                if reason is not None and not isinstance(reason, str):
                    raise TypeError(f"judge returned {type(reason).__name__}, not str or None")
            except (Exception, SystemExit) as error:
                logger.error("extension %s, hook judge", name, exc_info=error)
                raise failure(name, f"{type(error).__name__}: {error}"[:300]) from error
            if reason is not None:
                logger.info("the content filter %s kept a picture back: %s", name, reason[:200])
                return replace(image, rgb=bytes(len(image.rgb)), notes={**image.notes, REASON: BLOCKED})
    return image
