"""The hook `image`: a finished picture changed in the worker, before it crosses to the API process."""

from __future__ import annotations

import logging
from dataclasses import replace

from garret.service_runtime.batch import Batch
from garret.service_runtime.engine.base import Image
from garret.service_runtime.extensions.loading import Extensions, expect
from garret.service_runtime.extensions.registry import Registry
from garret.service_runtime.limits import MAXIMUM_FINAL_PIXELS, MAXIMUM_FINAL_SIDE
from garret.service_runtime.settings import ServiceSettings

LIMIT_S = 60.0
LARGEST_SIDE = MAXIMUM_FINAL_SIDE
logger = logging.getLogger(__name__)


def extensions_of_worker(settings: ServiceSettings, names: str) -> Extensions:
    """Load those extensions, named with commas between them; one that does not load fails each picture."""
    registry = Registry(settings)
    wanted = [registry.find(name) for name in names.split(",") if name]
    extensions = Extensions(registry, [one for one in wanted if one is not None])
    extensions.load()
    return extensions


def change_picture(extensions: Extensions, image: Image, batch: Batch) -> Image:
    """Return the picture as the extensions leave it; ExtensionFailed names who could not do its part."""
    extensions.check(("image",))
    if not extensions.has("image"):
        return image
    import PIL.Image

    words = batch.pictures[image.index]
    shape = batch.request.to_dict()
    picture = PIL.Image.frombytes("RGB", (image.width, image.height), image.rgb)

    def check(value: object) -> PIL.Image.Image:
        changed = expect(value, PIL.Image.Image, "image")
        pixels = changed.width * changed.height
        if max(changed.size) > LARGEST_SIDE or not 1 <= pixels <= MAXIMUM_FINAL_PIXELS:
            most = f"at most {LARGEST_SIDE} a side and {MAXIMUM_FINAL_PIXELS} pixels"
            raise ValueError(f"a picture of {changed.width} x {changed.height}; {most}")
        return changed.convert("RGB")

    changed = extensions.chain("image", picture, LIMIT_S, check, about={**shape, **vars(words)})
    return replace(image, width=changed.width, height=changed.height, rgb=changed.tobytes())
