"""Errors as the predictors of SageMaker's SDXL read them: Stability's, with the word that it is one."""

from __future__ import annotations

from typing import Any

from garret.service_runtime.api.describe import record
from garret.service_runtime.api.stability.errors import ERROR_SCHEMA, error_body
from garret.service_runtime.errors import ServiceError

RESULT = "result"
SCHEMA = record(
    {RESULT: {"const": "error"}, "error": ERROR_SCHEMA, **ERROR_SCHEMA["properties"]},
    required=(RESULT, "error", "id", "name", "message"),
)


def predictor_error(error: ServiceError) -> dict[str, Any]:
    """Return an error's body; StabilityPredictor takes it from within `error` or from beside `result`."""
    said = error_body(error)
    return {RESULT: "error", "error": said, **said}
