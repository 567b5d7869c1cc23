"""The last proof: the service makes a picture."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import time
from typing import Any

from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.steps.answers import ask
from garret.image_bootstrap.steps.node import Node
from garret.image_bootstrap.steps.service import APPLIED
from garret.image_bootstrap.steps.token import node_token

PROVED = "/var/lib/garret/picture.json"
# At the model's own size, so that a person's picture will find the memory that it needs; two steps, to be quick.
REQUEST = {"prompt": "a red circle on a blue background", "seed": 1, "steps": 2}
_PNG = b"\x89PNG\r\n\x1a\n"
_LATER = (429, 502, 503, 504)


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
    headers = {"Authorization": f"Bearer {node_token(node.host)}", "Content-Type": "application/json"}
    started, last = time.monotonic(), "nothing yet"
    while time.monotonic() - started < node.answer_timeout_s:
        asked = time.monotonic()
        try:
            status, body = ask(
                node, "POST", "/sdapi/v1/txt2img", json.dumps(REQUEST), headers=headers, timeout_s=node.answer_timeout_s
            )
        except (OSError, http.client.HTTPException) as error:
            last = f"{type(error).__name__}: {error}"
        else:
            if status == 200:
                return {"seconds": round(time.monotonic() - asked, 2), "sha256": _digest(body)}
            last = f"HTTP {status}: {_words(body)}"
            if status not in _LATER:
                break
        time.sleep(node.poll_s)
    raise StepFailed(f"the service made no picture; last: {last}")


def _digest(body: str) -> str:
    """Return the picture's SHA-256.

    Raises:
        StepFailed: the answer holds no picture.
    """
    try:
        picture = base64.b64decode(_read(body)["images"][0], validate=True)
    except (KeyError, IndexError, TypeError, ValueError):
        picture = b""
    if not picture.startswith(_PNG):
        raise StepFailed("the service answered without a picture")
    return hashlib.sha256(picture).hexdigest()


def _words(body: str) -> str:
    return str(_read(body).get("errors") or body)[:300]


def _read(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
