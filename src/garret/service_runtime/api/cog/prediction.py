"""A job as Cog's clients read it: a prediction, with its pictures as data URIs or as links."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from garret.service_runtime import jobs
from garret.service_runtime.api.describe import Schema, record
from garret.service_runtime.jobs import Job

KIND = "prediction"
"""The form in which webhooks of this dialect are told."""
KEY = "cog:"
"""Before a prediction's own id, in the place of an Idempotency-Key."""
STATUSES = {
    jobs.WAITING: "starting",
    jobs.RUNNING: "processing",
    jobs.SUCCESS: "succeeded",
    jobs.CANCELLED: "canceled",
    jobs.FAILED: "failed",
    jobs.EXPIRED: "failed",
}


def note_of(identifier: str, told: dict[str, Any], base: str) -> str:
    """Return what is kept of a prediction beside its job: its own id, its input, and the address it was asked at."""
    return json.dumps({"id": identifier, "input": told, "base": base})


def prediction_of(job: Job, output: Sequence[Any]) -> dict[str, Any]:
    """Return the record of a job with its pictures as `output`; of one that came by another dialect as well."""
    note = json.loads(job.note) if job.note else {}
    identifier, base = note.get("id") or job.id, note.get("base", "")
    status = STATUSES[job.state]
    took = {} if not (job.started_at and job.ended_at) else {"predict_time": round(job.ended_at - job.started_at, 3)}
    return {
        "id": identifier,
        "input": note.get("input") or _input_of(job),
        "output": list(output) or None,
        "status": status,
        "error": (job.error or {}).get("message") if status == "failed" else None,
        "logs": f"Using seed: {job.request.seed}\n",
        "metrics": took,
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "completed_at": _time(job.ended_at),
        "urls": {"get": f"{base}/predictions/{identifier}", "cancel": f"{base}/predictions/{identifier}/cancel"},
        "data_removed": job.removed,
    }


def base_of(job: Job) -> str:
    """Return the address that a prediction was asked at, "" where that is not known."""
    return str(json.loads(job.note).get("base", "")) if job.note else ""


def _input_of(job: Job) -> dict[str, Any]:
    request = job.request
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "width": request.width,
        "height": request.height,
        "num_outputs": request.count,
        "scheduler": request.sampler,
        "num_inference_steps": request.steps,
        "guidance_scale": request.cfg_scale,
        "seed": request.seed,
    }


def _time(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None


_MAYBE_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
SCHEMA: Schema = record(
    {
        "id": {"type": "string"},
        "input": {"type": "object"},
        "output": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": "the pictures: data URIs in answers, links that end after a while in webhooks",
        },
        "status": {"type": "string", "enum": sorted(set(STATUSES.values()))},
        "error": {"type": ["string", "null"]},
        "logs": {"type": "string"},
        "metrics": {"type": "object"},
        "created_at": _MAYBE_TIME,
        "started_at": _MAYBE_TIME,
        "completed_at": _MAYBE_TIME,
        "urls": {"type": "object"},
        "data_removed": {"type": "boolean", "description": "the pictures had to make room for newer ones"},
    },
    required=("id", "input", "output", "status", "error", "logs", "metrics", "created_at"),
)
