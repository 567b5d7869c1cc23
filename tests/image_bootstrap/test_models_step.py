"""The step about models on a folder that plays a node: the real download program, killed and started again."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.progress import Progress
from garret.image_bootstrap.steps import Node
from garret.image_bootstrap.steps.machine import ensure_directories
from garret.image_bootstrap.steps.models import Fetching, ensure_models
from garret.image_bootstrap.steps.node import SERVICE_ENV
from garret.image_bootstrap.steps.service import ensure_service_settings
from garret.service_runtime.settings import ServiceSettings, read_env_file
from tests.image_bootstrap.machine import PACKAGE, Machine
from tests.image_bootstrap.test_steps import node_on, program
from tests.service_runtime.living import safetensors_bytes
from tests.service_runtime.shelf import Reply, Request, Shelf, answer, serving_shelf

CONTENT = safetensors_bytes({"a.weight": (1000, 1000)})[:-2_000_000] + random.Random(5).randbytes(2_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
MINE = "hf:me/mine/mine.safetensors"


@pytest.fixture
def hub() -> Iterator[Shelf]:
    """Hugging Face on loopback."""
    with serving_shelf(CONTENT) as shelf:
        yield shelf


def node_with_hub(machine: Machine, hub: Shelf, **changes: object) -> Node:
    """A node with our runtime in its bundle, that finds the hubs on loopback."""
    for name in ("HUGGINGFACE", "MODELSCOPE"):
        machine.environment[f"GARRET_ENDPOINT_{name}"] = f"http://127.0.0.1:{hub.port}"
    machine.environment["GARRET_METADATA_URL"] = "http://127.0.0.1:9/latest"
    node = node_on(machine, **{"allow_private_download": True, **changes})
    ensure_directories(node)
    current = machine.disk / "opt/garret/current"
    if not current.exists():
        current.symlink_to(PACKAGE.parent)
    return node


def progress(machine: Machine) -> list[str]:
    """What the journal says while the step runs."""
    lines = (machine.disk / "var/lib/garret/bootstrap.jsonl").read_text().splitlines()
    return [entry["reason"] for entry in map(json.loads, lines) if entry["state"] == "running" and entry["reason"]]


def target(machine: Machine, name: str = "mine") -> Path:
    """Where a checkpoint lies."""
    return machine.disk / f"home/models/Stable-diffusion/{name}.safetensors"


def test_the_demo_model_is_put_where_models_live(machine: Machine) -> None:
    """Weights for the service, configuration beside; a changed file in the image is taken over."""
    node = node_on(machine)
    ensure_models(node)
    assert target(machine, "demo").read_bytes() == b"weights"
    assert (machine.disk / "usr/share/garret/configs/demo/unet/config.json").read_text() == "{}"
    (machine.disk / "usr/share/garret/demo-model/demo.safetensors").write_bytes(b"Weights")
    ensure_models(node)
    assert target(machine, "demo").read_bytes() == b"Weights"
    assert node.facts["models"] == [{"name": "demo", "sha256": hashlib.sha256(b"Weights").hexdigest()}]


def test_what_belongs_to_the_demo_model_goes_with_it(machine: Machine, hub: Shelf) -> None:
    """Its LoRA, its refiner and its upscaler, each to its folder; not to a node that begins with another model."""
    brought = machine.disk / "usr/share/garret/demo-model"
    for name in ("heart", "demo-refiner", "demo-2x"):
        (brought / f"{name}.safetensors").write_bytes(name.encode())
    ensure_models(node_with_hub(machine, hub, model=MINE, model_sha256=DIGEST))
    assert not target(machine, "demo-refiner").exists()
    ensure_models(node_on(machine))
    assert target(machine, "demo-refiner").read_bytes() == b"demo-refiner"
    assert (machine.disk / "home/models/Lora/heart.safetensors").read_bytes() == b"heart"
    assert (machine.disk / "home/models/ESRGAN/demo-2x.safetensors").read_bytes() == b"demo-2x"


def test_the_demo_model_comes_from_the_bundle_where_the_image_has_none(machine: Machine) -> None:
    """An image of Alibaba Cloud knows nothing of garret's models."""
    shutil.rmtree(machine.disk / "usr/share/garret/demo-model")
    node = node_on(machine)
    brought = node.host.path("/opt/garret/current/garret/demo_model")
    (brought / "config/unet").mkdir(parents=True)
    (brought / "demo.safetensors").write_bytes(b"from the bundle")
    (brought / "config/unet/config.json").write_text("[]")
    ensure_models(node)
    assert target(machine, "demo").read_bytes() == b"from the bundle"
    assert (machine.disk / "usr/share/garret/configs/demo/unet/config.json").read_text() == "[]"


def test_a_demo_model_that_is_not_there_is_refused_with_what_to_do(machine: Machine) -> None:
    """The node does not come up without anything to draw with."""
    (machine.disk / "usr/share/garret/demo-model/demo.safetensors").unlink()
    with pytest.raises(StepFailed, match="bundle brings the demo model"):
        ensure_models(node_on(machine))


def test_every_node_can_load_sdxl_checkpoints(machine: Machine) -> None:
    """Their configuration and tokenizers come with the runtime, for models that are brought later as well."""
    ensure_models(node_on(machine))
    folder = machine.disk / "usr/share/garret/configs/sdxl"
    assert len(json.loads((folder / "tokenizer_2/vocab.json").read_text("utf-8"))) == 49408
    assert json.loads((folder / "unet/config.json").read_text())["cross_attention_dim"] == 2048


def test_a_model_is_fetched_and_reported(machine: Machine, hub: Shelf) -> None:
    """Progress in the journal, name and hash in the facts; the service begins with it; later boots ask nobody."""
    node = node_with_hub(machine, hub, model=MINE, model_sha256=DIGEST)
    ensure_models(node)
    assert target(machine).read_bytes() == CONTENT
    assert node.facts["models"] == [{"name": "mine", "sha256": DIGEST}]
    assert progress(machine)[0] == "mine.safetensors 0.0 MB from Hugging Face"
    assert "mine: 2.0 MB, Hugging Face, SHA-256" in (machine.disk / "var/log/garret/bootstrap.log").read_text()
    ensure_service_settings(node)
    settings = ServiceSettings.from_env(read_env_file(node.host.path(SERVICE_ENV).read_text()))
    assert settings.default_checkpoint == "mine"
    ensure_models(node_with_hub(machine, hub, model=MINE, model_sha256=DIGEST))
    assert len(hub.asked) == 1


def test_progress_is_told_in_the_units_of_people(machine: Machine, hub: Shelf) -> None:
    """How much of how much, from where; many lines only when a test wants them."""
    node = node_with_hub(machine, hub, model=MINE, model_sha256=DIGEST)
    node.progress_every_s = 0.0
    ensure_models(node)
    assert progress(machine)[-1].startswith("mine.safetensors 2.0 of 2.0 MB from Hugging Face")


def test_the_boot_page_hears_how_long_it_takes(machine: Machine, hub: Shelf) -> None:
    """From the rate of the download and what comes after it: no table knows that."""
    node = node_with_hub(machine, hub, model=MINE)
    node.host.journal = page = Progress(machine.disk, ("ensure_models", "ensure_service"))
    fetching = Fetching(node)
    event = {"file": "a", "done": 0, "total": 6_000_000_000, "from": "ModelScope", "after": 6_000_000_000}
    fetching.tell(event)
    fetching.since = (fetching.since[0] - 100.0, 0)
    fetching.next = 0.0
    fetching.tell(
        {"file": "a", "done": 3_000_000_000, "total": 6_000_000_000, "from": "ModelScope", "after": 6 * 10**9}
    )
    page.write("ensure_models", "running", 100.0, "a 3.0 of 6.0 GB from ModelScope")
    told = json.loads((machine.disk / "var/lib/garret/www/boot.json").read_text())
    assert 190 < told["seconds_left"] < 310
    assert told["detail"] == "a 3.0 of 6.0 GB from ModelScope"
    assert "30.0 MB/s, 2 min left of it" in progress(machine)[-2]


def hang_after(count: int, reached: threading.Event, on: threading.Event) -> Reply:
    """Send so many bytes of the file, then nothing until told."""

    def reply(request: Request) -> None:
        request.send_response(200)
        request.send_header("ETag", request.shelf.etag)
        request.send_header("Content-Length", str(len(CONTENT)))
        request.end_headers()
        request.wfile.write(CONTENT[:count])
        request.wfile.flush()
        reached.set()
        on.wait(20)

    return reply


def child_of(folder: Path) -> int:
    """The process that fetches, by what it works in."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"garret.service_runtime.first_models" in words and (entry / "cwd").readlink() == folder:
                    return int(entry.name)
            except OSError:
                continue
    raise AssertionError("nothing fetches")


def test_a_download_that_is_killed_goes_on_where_it_was(machine: Machine, hub: Shelf) -> None:
    """Killed without a chance to tidy up; the next run asks for the rest only, and the bytes are counted."""
    reached, on = threading.Event(), threading.Event()
    hub.replies = [hang_after(1_200_000, reached, on)]
    node = node_with_hub(machine, hub, model=MINE, model_sha256=DIGEST)
    part = target(machine).with_name(".mine.safetensors.part")
    failures: list[StepFailed] = []

    def run() -> None:
        try:
            ensure_models(node)
        except StepFailed as failed:
            failures.append(failed)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert reached.wait(20)
        while not (part.exists() and part.stat().st_size >= 1_200_000):
            assert thread.is_alive()
            on.wait(0.01)
        os.kill(child_of(machine.disk / "var/lib/garret/service"), signal.SIGKILL)
        thread.join(20)
    finally:
        on.set()
        thread.join(20)
    assert "ended with -9 before it was done" in str(failures[0])
    assert not target(machine).exists()
    ensure_models(node_with_hub(machine, hub, model=MINE, model_sha256=DIGEST))
    assert target(machine).read_bytes() == CONTENT
    assert [asked["range"].partition("-")[0] for asked in hub.asked] == ["bytes=0", "bytes=1200000"]
    assert hub.asked[1]["if-range"] == hub.etag


def test_what_somebody_deleted_stays_away_but_for_the_checkpoint(machine: Machine, hub: Shelf) -> None:
    """A node that starts again brings back what it cannot draw without, and nothing else."""
    node = node_with_hub(machine, hub, model=MINE)
    ensure_models(node)
    placed = machine.disk / "var/lib/garret/models.json"
    known = json.loads(placed.read_text())
    known["models"].append({"name": "refiner", "type": "checkpoint", "sha256": "0" * 64, "size": 1, "from": "x"})
    placed.write_text(json.dumps(known))
    ensure_models(node)
    assert (len(hub.asked), [one["name"] for one in node.facts["models"]]) == (1, ["mine", "refiner"])
    target(machine).unlink()
    ensure_models(node)
    assert target(machine).exists()
    assert len(hub.asked) == 2


def test_a_model_that_cannot_be_had_fails_the_step_with_file_and_sources(machine: Machine, hub: Shelf) -> None:
    """This is what the stack, and the person, hear."""
    node = node_with_hub(machine, hub, model="sdxl", model_sources="modelscope,huggingface", refiner=False)
    hub.replies = [answer(404)]
    with pytest.raises(StepFailed) as caught:
        ensure_models(node)
    text = str(caught.value)
    assert text.startswith("sd_xl_base_1.0.safetensors could not be fetched. ModelScope: there is no such file")
    assert "Hugging Face: the file has the SHA-256" in text  # the shelf's file is not SDXL
    assert "31e35c80" in text
    assert list(target(machine).parent.glob("*.safetensors")) == []


def test_a_program_that_does_not_come_up_is_told_in_its_own_words(machine: Machine, hub: Shelf) -> None:
    """The last thing that it said."""
    program(machine, "broken", "echo 'libpython3.so: cannot open shared object file'; exit 127")
    machine.environment["GARRET_PYTHON"] = str(machine.disk / "bin/broken")
    node = node_with_hub(machine, hub, model=MINE)
    with pytest.raises(StepFailed, match=r"ended with 127 before it was done: libpython3\.so: cannot open"):
        ensure_models(node)
