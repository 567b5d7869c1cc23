"""The last proof: the service makes a picture."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from typing import Any

from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.steps.answers import as_node, fetch
from garret.image_bootstrap.steps.node import Node
from garret.image_bootstrap.steps.service import APPLIED

PROVED = "/var/lib/garret/picture.json"
# At the model's own size, so that a person's picture will find the memory that it needs; two steps, to be quick.
REQUEST = {"prompt": "a red circle on a blue background", "seed": 1, "steps": 2}
_PNG = b"\x89PNG\r\n\x1a\n"
_LATER = (429, 502, 503, 504)
_WAIT_S = 240


def ensure_picture(node: Node) -> None:
    """Have the service make a picture, once for each way it was started; a node that cannot is none."""
    applied = node.host.path(APPLIED).read_text("utf-8").strip()
    stamp = node.host.path(PROVED)
    proved = _read(stamp.read_text("utf-8")) if stamp.is_file() else {}
    if proved.get("applied") != applied:
        proved = {"applied": applied, **_make(node)}
        node.host.write(PROVED, json.dumps(proved) + "\n", 0o644)
    node.facts["picture"] = {key: proved[key] for key in ("seconds", "sha256") if key in proved}


def _make(node: Node) -> dict[str, object]:
    started, last = time.monotonic(), "nothing yet"
    while time.monotonic() - started < node.answer_timeout_s:
        asked = time.monotonic()
        try:
            status, body = _call(node, "POST", f"/v1/jobs?wait={_WAIT_S}", json.dumps(REQUEST))
        except (OSError, http.client.HTTPException) as error:
            last = f"{type(error).__name__}: {error}"
        else:
            if status in (200, 202):
                job = _ended(node, _read(body.decode("utf-8", "replace")), started)
                seconds = round(time.monotonic() - asked, 2)
                return {"seconds": seconds, "sha256": _digest(node, job)}
            last = f"HTTP {status}: {_words(body)}"
            if status not in _LATER:
                break
        time.sleep(node.poll_s)
    raise StepFailed(f"the service made no picture; last: {last}")


def _call(node: Node, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    headers = {**as_node(node), "Content-Type": "application/json"}
    return fetch(node, method, path, body, headers=headers, timeout_s=_WAIT_S + 30)


def _ended(node: Node, job: dict[str, Any], started: float) -> dict[str, Any]:
    """Wait for the end of a job, which a restart of the service does not lose.

    Raises:
        StepFailed: it ended without a picture, or has not ended in time.
    """
    last = ""
    while job.get("ended_at") is None and time.monotonic() - started < node.answer_timeout_s:
        try:
            status, body = _call(node, "GET", f"/v1/jobs/{job.get('id')}?wait={_WAIT_S}")
            job, last = (_read(body.decode("utf-8", "replace")), "") if status == 200 else (job, f"HTTP {status}")
        except (OSError, http.client.HTTPException) as error:
            last = f"{type(error).__name__}: {error}"
        time.sleep(0 if not last else node.poll_s)
    if job.get("state") != "Success":
        raise StepFailed(f"the service made no picture; last: {job.get('message') or last or job.get('state')}")
    return job


def _digest(node: Node, job: dict[str, Any]) -> str:
    """Return the picture's SHA-256, and have the service forget its job.

    Raises:
        StepFailed: the answer is no picture.
    """
    where = f"/v1/jobs/{job.get('id')}"
    _, picture = _call(node, "GET", f"{where}/pictures/0")
    if not picture.startswith(_PNG):
        raise StepFailed("the service answered without a picture")
    _call(node, "DELETE", f"{where}?forget=true")
    return hashlib.sha256(picture).hexdigest()


def _words(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    return str(_read(text).get("errors") or text)[:300]


def _read(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _reason(job: dict[str, Any]) -> str:
    error = job.get("error")
    return str(error.get("message", ""))[:300] if isinstance(error, dict) else ""
