"""A1111's API as a dialect."""

from __future__ import annotations

from garret.service_runtime.api.a1111 import img2img, routes
from garret.service_runtime.api.dialect import Dialect

DIALECT = Dialect(
    name="a1111",
    title="the API of A1111's web UI",
    paths=("/sdapi",),
    routers=(routes.router, img2img.router),
)
