"""A service with all that A1111's clients list and choose, where a picture takes long enough to be watched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from garret import demo_model
from garret.service_runtime.passwords import hash_password, hash_token
from tests.service_runtime.conftest import PASSWORD, TOKEN
from tests.service_runtime.living import Service, checkpoint, fake_settings, serving
from tests.service_runtime.test_embeddings import put

OTHER_TOKEN = "token-of-somebody-else"
SECONDS = 0.3
"""What a batch takes, whatever its steps."""
_TABLES = {"clip_l": (2, 768), "clip_g": (2, 1280)}


@contextmanager
def studio(folder: Path, **changes: Any) -> Iterator[Service]:
    """Run the service, spoken to with its token; `other` is the same one for another caller."""
    settings = fake_settings(
        folder,
        password_hash=hash_password(PASSWORD),
        token_hashes=(hash_token(TOKEN), hash_token(OTHER_TOKEN)),
        fake_seconds=SECONDS,
        max_batch=1,
        **changes,
    )
    checkpoint(settings.models_dir, "second", fill=b"\1")
    lora = settings.models_dir / "Lora" / "heart.safetensors"
    lora.parent.mkdir()
    lora.write_bytes(demo_model.LORA.read_bytes())
    (settings.models_dir / "styles.csv").write_text(
        "name,prompt,negative_prompt\nink,ink drawing of {prompt},colour\n", encoding="utf-8"
    )
    put(settings.embeddings_dir, "fine.safetensors", _TABLES)
    put(settings.embeddings_dir, "old.safetensors", {"emb_params": (2, 768)})
    with serving(settings) as running:
        running.headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        # Titles have hashes in them, which are computed beside the first requests.
        until(lambda: all(one["sha256"] for one in running.call("GET", "/sdapi/v1/sd-models").json), "the hashes")
        yield running


def other(service: Service) -> Service:
    """Return the same service for another caller."""
    return replace(service, headers={**service.headers, "Authorization": f"Bearer {OTHER_TOKEN}"})


def progress(service: Service, query: str = "") -> dict[str, Any]:
    """Return what a caller is told of their jobs."""
    return dict(service.call("GET", f"/sdapi/v1/progress{query}").json)


def until(condition: Any, what: str, seconds: float = 10.0) -> None:
    """Wait for a condition that is asked for over HTTP."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.02)
