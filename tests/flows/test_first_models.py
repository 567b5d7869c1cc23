"""A deployment that begins with a checkpoint of one's own: fetched from a hub on loopback before the first picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from garret import demo_model
from tests.flows.house import DEPLOY, House
from tests.flows.test_house import shows
from tests.service_runtime.shelf import Shelf, cut, serving_shelf

pytestmark = pytest.mark.flow

WEIGHTS = demo_model.WEIGHTS.read_bytes()
MINE = ("--model", "hf:me/pictures/mine.safetensors", "--model-sha256")


@pytest.fixture
def hub() -> Iterator[Shelf]:
    """Hugging Face, with one model."""
    with serving_shelf(WEIGHTS) as shelf:
        yield shelf


def test_a_deployment_begins_with_a_checkpoint_from_a_hub(house: House, hub: Shelf, tmp_path: Path) -> None:
    """Broken off once and gone on with; reported with its hash, drawn with by default, and not fetched twice."""
    hub.replies = [cut(4_000_000)]
    picture = tmp_path / "first.png"
    said = house.garret(
        *DEPLOY, *MINE, hashlib.sha256(WEIGHTS).hexdigest(), "--picture", str(picture),
        GARRET_ENDPOINT_HUGGINGFACE=f"http://127.0.0.1:{hub.port}",
    )  # fmt: skip
    assert "mine.safetensors from Hugging Face; SHA-256" in said
    assert shows(picture, "a red circle on a blue background")
    assert {asked["path"] for asked in hub.asked} == {"/me/pictures/resolve/main/mine.safetensors"}
    asked_before = len(hub.asked)
    assert any(asked.get("range", "").startswith("bytes=4") for asked in hub.asked), "where it broke off"
    house.garret("ops", "stop")
    house.garret("ops", "start")
    assert len(hub.asked) == asked_before


def test_a_private_bucket_is_read_by_the_role_that_the_stack_made(house: House, hub: Shelf, tmp_path: Path) -> None:
    """Template, role, metadata and signature together; the role may read this one object."""
    picture = tmp_path / "first.png"
    house.garret(
        *DEPLOY, "--model", "oss://my-models/sd/mine.safetensors", "--picture", str(picture),
        GARRET_ENDPOINT_OSS=f"http://127.0.0.1:{hub.port}",
    )  # fmt: skip
    assert shows(picture, "a red circle on a blue background")
    assert hub.asked
    for asked in hub.asked:
        assert asked["path"] == "/my-models/sd/mine.safetensors"
        assert asked["authorization"].startswith("OSS4-HMAC-SHA256 Credential=")
        assert "/cn-hangzhou/oss/aliyun_v4_request, Signature=" in asked["authorization"]
        assert asked["x-oss-security-token"]


def test_a_model_with_another_hash_fails_the_deployment_by_name(house: House, hub: Shelf) -> None:
    """The stack hears of the step, the file and the source; nothing stays that is billed."""
    done = house.run(*DEPLOY, *MINE, "ab" * 32, GARRET_ENDPOINT_HUGGINGFACE=f"http://127.0.0.1:{hub.port}")
    assert done.returncode == 1
    text = done.stdout + done.stderr
    assert "the node stopped at step ensure_models: mine.safetensors could not be fetched" in text
    assert "Hugging Face: the file has the SHA-256" in text
