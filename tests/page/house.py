"""Services for the page: one that answers at once and has something of everything, and one that follows words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext

from garret import demo_model
from garret.service_runtime.passwords import hash_password, hash_token
from garret.service_runtime.png import encode_png
from garret.service_runtime.settings import ServiceSettings
from tests.service_runtime.conftest import LOGIN, PASSWORD, TOKEN
from tests.service_runtime.living import Service, checkpoint, fake_settings, launch
from tests.service_runtime.test_embeddings import put

_TABLES = {"clip_l": (2, 768), "clip_g": (2, 1280)}
_CARD = 96


@dataclass
class House(Service):
    """A running service that can go away under an open page and come back at the same address, with the same state."""

    settings: ServiceSettings = field(default_factory=ServiceSettings)

    def leave(self) -> None:
        """Stop it in order, as an update does; `kill()` is a crash."""
        self.terminate()

    def come_back(self) -> None:
        """Start it again and wait until it makes pictures."""
        self.process = launch(replace(self.settings, port=self.port)).process
        self.wait_until("ok")


def address(service: Service) -> str:
    """Return where a browser finds the service."""
    return f"http://{service.host}:{service.port}"


@contextmanager
def furnished(folder: Path, **changes: Any) -> Iterator[House]:
    """Run a service with the fake engine and a login: checkpoints, LoRAs with previews, an embedding, a style."""
    settings = fake_settings(folder, **{**_access(), "fake_seconds": 0.2, **changes})
    checkpoint(settings.models_dir, "second", fill=b"\1")
    _furnish(settings)
    with _lived_in(settings) as house:
        yield house


@contextmanager
def painting_house(folder: Path, **changes: Any) -> Iterator[House]:
    """Run a service with the demo model, its refiner and its LoRA, and a login."""
    settings = fake_settings(
        folder, **{**_access(), "engine": "sdxl", "device": "cpu", "config_dir": demo_model.CONFIG.parent, **changes}
    )
    checkpoints = settings.models_dir / "Stable-diffusion"
    (checkpoints / "tiny.safetensors").unlink()
    for name in ("demo", "demo-refiner"):
        shutil.copyfile(demo_model.WEIGHTS.parent / f"{name}.safetensors", checkpoints / f"{name}.safetensors")
    _furnish(settings)
    with _lived_in(settings) as house:
        yield house


def sign_in(context: BrowserContext, service: Service) -> None:
    """Let a profile through the login, without its page: the cookie is the same."""
    own = address(service)
    answer = context.request.post(
        f"{own}/login", form={"login": LOGIN, "password": PASSWORD}, headers={"Origin": own}, max_redirects=0
    )
    assert answer.status == 303, f"the login was answered {answer.status}: {answer.text()[:300]}"


def preview(red: int, green: int, blue: int, side: int = _CARD) -> bytes:
    """Return a small PNG of one colour with a lighter square in it."""
    edge = side // 4
    light = bytes(min(255, value + 90) for value in (red, green, blue))
    rows = []
    for y in range(side):
        inner = side - 2 * edge if edge <= y < side - edge else 0
        outer = bytes((red, green, blue)) * ((side - inner) // 2)
        rows.append(outer + light * inner + outer)
    return encode_png(b"".join(rows), side, side)


def _access() -> dict[str, Any]:
    return {"login": LOGIN, "password_hash": hash_password(PASSWORD), "token_hashes": (hash_token(TOKEN),)}


@contextmanager
def _lived_in(settings: ServiceSettings) -> Iterator[House]:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    started = launch(settings)
    house = House(started.process, started.host, started.port, headers, settings)
    try:
        house.wait_until("ok")
        # Gradio is loaded with the page's first answer, for as long as a busy machine needs.
        connection = house.connect(timeout=120)
        connection.request("GET", "/", headers=headers)
        assert connection.getresponse().status == 200
        connection.close()
        yield house
    finally:
        if house.process.poll() is None:
            house.kill()


def _furnish(settings: ServiceSettings) -> None:
    loras = settings.models_dir / "Lora"
    loras.mkdir(parents=True)
    for name, colour in {"heart": (170, 30, 60), "heart-bright": (30, 90, 170)}.items():
        shutil.copyfile(demo_model.LORA, loras / f"{name}.safetensors")
        (loras / f"{name}.png").write_bytes(preview(*colour))
    (settings.models_dir / "styles.csv").write_text(
        "name,prompt,negative_prompt\nink,ink drawing of {prompt},colour\n", encoding="utf-8"
    )
    put(settings.embeddings_dir, "fine.safetensors", _TABLES)
