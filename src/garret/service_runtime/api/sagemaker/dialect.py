"""SageMaker's SDXL endpoints as a dialect: the container's routes, in both of the schemas."""

from __future__ import annotations

from garret.service_runtime.api.dialect import Dialect
from garret.service_runtime.api.sagemaker import routes
from garret.service_runtime.api.sagemaker.errors import SCHEMA, predictor_error
from garret.service_runtime.api.stability.errors import STATUSES

DIALECT = Dialect(
    name="sagemaker",
    title="SageMaker",
    paths=("/ping", "/invocations", "/endpoints"),
    routers=(routes.router,),
    error=predictor_error,
    error_schema=SCHEMA,
    statuses=STATUSES,
    makes="(/endpoints/[^/]+)?/invocations(/.*)?",
)
