"""The native API as a dialect: what the page, `garret generate` and garret's own client speak; always on."""

from __future__ import annotations

from garret.service_runtime.api import (
    catalog,
    downloads,
    drain,
    executions,
    health,
    image_reading,
    images,
    inputs,
    job_pictures,
    jobs,
    machine,
    metrics,
    model_previews,
    model_removal,
    models,
    queue,
    settings,
    uploads,
)
from garret.service_runtime.api.dialect import Dialect

DIALECT = Dialect(
    name="native",
    title="Native",
    paths=("/v1", "/machine", "/metrics"),
    routers=(
        health.router,
        jobs.router,
        job_pictures.router,
        jobs.webhook_router,
        inputs.router,
        images.router,
        image_reading.router,
        machine.router,
        metrics.router,
        drain.router,
        model_previews.router,
        models.router,
        model_removal.router,
        model_removal.bin_router,
        downloads.begin_router,
        downloads.router,
        executions.router,
        uploads.router,
        catalog.router,
        settings.router,
        queue.router,
        health.report_router,
    ),
    can_be_off=False,
    makes="/v1/jobs",
)
