"""A1111's API as a dialect."""

from __future__ import annotations

from garret.service_runtime.api.a1111 import extensions, img2img, models, options, progress, samplers, txt2img
from garret.service_runtime.api.dialect import Dialect

DIALECT = Dialect(
    name="a1111",
    title="the API of A1111's web UI",
    paths=("/sdapi",),
    routers=(
        txt2img.router,
        img2img.router,
        progress.router,
        options.router,
        models.router,
        samplers.router,
        extensions.router,
    ),
)
