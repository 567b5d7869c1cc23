"""The native API as a dialect: what the page, `garret generate` and garret's own client speak; always on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.service_runtime.api import (
    catalog,
    downloads,
    drain,
    executions,
    health,
    hold,
    image_reading,
    images,
    inputs,
    job_pictures,
    jobs,
    logs,
    machine,
    metrics,
    model_about,
    model_previews,
    model_removal,
    model_thumbnails,
    models,
    prices,
    queue,
    settings,
    tokens,
    uploads,
)
from garret.service_runtime.api.dialect import Dialect, plain_error
from garret.service_runtime.api.model_errors import error_of as error_for_both
from garret.service_runtime.errors import NoRoute, ServiceError


def _error(error: ServiceError) -> Mapping[str, Any]:
    """Return an error's body; a path that is nobody's may be one that OpenAI's clients looked for."""
    return error_for_both(error) if isinstance(error, NoRoute) else plain_error(error)


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
        hold.router,
        prices.router,
        logs.router,
        tokens.router,
        metrics.router,
        drain.router,
        model_about.router,
        model_previews.router,
        model_thumbnails.router,
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
    error=_error,
    can_be_off=False,
    makes="/v1/jobs",
)
