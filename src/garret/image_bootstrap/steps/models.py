"""The step about the first models: the demo model from image or bundle, others fetched by the service's own code."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.host import Host
from garret.image_bootstrap.steps.node import BUNDLE, SERVICE_STATE, Node
from garret.service_runtime.known_models import DEMO, gigabytes
from garret.service_runtime.sdxl_files import NAME, configuration_files

MODELS = "/home/models"
CHECKPOINTS = f"{MODELS}/Stable-diffusion"
CONFIGS = "/usr/share/garret/configs"
DEMO_FOLDER = "/usr/share/garret/demo-model"
PLACED = "/var/lib/garret/models.json"
_BESIDE_DEMO = {
    "heart.safetensors": f"{MODELS}/Lora",
    "demo-refiner.safetensors": CHECKPOINTS,
    "demo-2x.safetensors": f"{MODELS}/ESRGAN",
}
"""What comes with the demo model, and where it goes: a LoRA, a refiner and an upscaler, to try them with."""
_GROWTH = 0.15
"""The pause between two lines of the journal grows with the time that has passed: hours of download stay readable."""


def ensure_models(node: Node) -> None:
    """Have the models that the deployment begins with, and the configuration that SDXL's single files lack."""
    for path, text in configuration_files():
        node.host.write(f"{CONFIGS}/{NAME}/{path}", text, 0o644)
    demo = _demo(node.host) / "config"
    for file in sorted(path for path in demo.rglob("*") if path.is_file()):
        node.host.copy(file, f"{CONFIGS}/{DEMO}/{file.relative_to(demo).as_posix()}")
    node.facts["models"] = [_ensure_demo(node.host)] if node.config.model == DEMO else _ensure_fetched(node)


def _demo(host: Host) -> Path:
    """Where the demo model is: the image's own, else what came in the bundle."""
    folder = host.path(DEMO_FOLDER)
    return folder if (folder / "demo.safetensors").is_file() else host.path(f"{BUNDLE}/garret/demo_model")


def _ensure_demo(host: Host) -> dict[str, str]:
    weights, config = _demo(host) / "demo.safetensors", _demo(host) / "config"
    if not weights.is_file() or not config.is_dir():
        raise StepFailed(
            f"neither the image nor the bundle brings the demo model: {DEMO_FOLDER} holds no demo.safetensors and "
            "config/. Copy garret's demo_model folder there and run the bootstrap again: "
            "systemctl start garret-bootstrap"
        )
    host.copy(weights, f"{CHECKPOINTS}/demo.safetensors")
    for name, folder in _BESIDE_DEMO.items():
        if weights.with_name(name).is_file():
            host.copy(weights.with_name(name), f"{folder}/{name}")
    return {"name": DEMO, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}


def _ensure_fetched(node: Node) -> list[dict[str, str]]:
    host, order = node.host, _order(node)
    # What files these are, and not where they come from: an image that was baked elsewhere has them, too.
    files = {name: order[name] for name in ("model", "sha256", "refiner")}
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    placed = _placed(host, digest)
    if placed is None:
        placed = Fetching(node).run(order)
        host.write(PLACED, json.dumps({"order": digest, "models": placed}) + "\n", 0o644)
    return [{"name": one["name"], "sha256": one["sha256"]} for one in placed]


def _order(node: Node) -> dict[str, Any]:
    config = node.config
    return {
        "model": config.model,
        "sha256": config.model_sha256,
        "sources": [source for source in config.model_sources.split(",") if source],
        "refiner": config.refiner,
        "region": config.region,
        "models_dir": str(node.host.path(MODELS)),
        "state_dir": str(node.host.path(SERVICE_STATE)),
        "config_dir": str(node.host.path(CONFIGS)),
        "allow_private": config.allow_private_download,
    }


def _placed(host: Host, digest: str) -> list[dict[str, Any]] | None:
    """What an earlier boot fetched for the same order. Deleted since, only the checkpoint comes back."""
    try:
        known = json.loads(host.path(PLACED).read_text("utf-8"))
        models = list(known["models"]) if known["order"] == digest else []
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not models or not host.path(f"{CHECKPOINTS}/{models[0]['name']}.safetensors").is_file():
        return None
    return models


class Fetching:
    """The program that fetches, and what it says on the way, kept in the journal."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._started = time.monotonic()
        self.next = 0.0
        self._file = ""
        self.since = (0.0, 0)

    def run(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what is in place.

        Raises:
            StepFailed: names the file, and each source with its reason.
        """
        host = self._node.host
        settings = {"PYTHONPATH": str(host.path(BUNDLE)), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [host.python, "-m", "garret.service_runtime.first_models"]
        with subprocess.Popen(
            command, env={**host.environment, **settings}, cwd=str(host.path(SERVICE_STATE)), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
        ) as program:  # fmt: skip
            try:
                models, last = self._follow(program, order)
            except BaseException:
                program.kill()  # else it would be waited for, and might download for hours
                raise
        if models is None:
            raise StepFailed(f"the download ended with {program.returncode} before it was done: {last or 'no word'}")
        for one in models:
            host.journal.log(f"{one['name']}: {gigabytes(one['size'])}, {one['from']}, SHA-256 {one['sha256']}")
        return models

    def _follow(self, program: subprocess.Popen[str], order: dict[str, Any]) -> tuple[list[dict[str, Any]] | None, str]:
        """Hand the order in and hear the program out; returns what is in place, and what it said last."""
        assert program.stdin is not None and program.stdout is not None  # noqa: S101, PT018 - pipes, as asked for
        models: list[dict[str, Any]] | None = None
        last = ""
        with suppress(BrokenPipeError):  # it ended before it read; what it said tells why
            program.stdin.write(json.dumps(order))
            program.stdin.close()
        for line in program.stdout:
            event = _event(line)
            if "error" in event:
                raise StepFailed(str(event["error"]))
            models = event.get("models", models)
            last = self._hear(event) or last
        return models, last

    def _hear(self, event: dict[str, Any]) -> str:
        """Keep what the program says; returns it when it is not about progress."""
        if "file" in event:
            self.tell(event)
            return ""
        text = str(event.get("note") or event.get("said") or "")
        if text:
            self._node.host.journal.log(text)
        return text

    def tell(self, event: dict[str, Any]) -> None:
        """Keep how far a file is, where it is time for another line."""
        now, done, total = time.monotonic(), int(event["done"]), int(event["total"])
        key = f"{event['file']} {event['from']}"
        if key != self._file:
            self._file, self.since, self.next = key, (now, done), 0.0
        if now < self.next and done != total:
            return
        passed = now - self._started
        self.next = now + max(self._node.progress_every_s, passed * _GROWTH)
        begun, before = self.since
        rate = (done - before) / (now - begun) if now - begun > 1 else 0.0
        text = f"{event['file']} {_of(done, total)} from {event['from']}"
        if rate > 0:
            self._expect(passed + (total - done + int(event.get("after", 0))) / rate)
            text += f", {rate / 1e6:.1f} MB/s" + (f", {(total - done) / rate / 60:.0f} min left of it" if total else "")
        self._node.host.journal.write("ensure_models", "running", passed, text)

    def _expect(self, seconds: float) -> None:
        """Tell the boot page, where there is one, how long this step takes in all."""
        from garret.image_bootstrap.progress import Progress  # it needs this room's times first

        journal = self._node.host.journal
        if isinstance(journal, Progress):
            journal.expect("ensure_models", seconds)


def _of(done: int, total: int) -> str:
    """Bytes that came, of how many, in the larger one's unit."""
    if not total:
        return gigabytes(done)
    if total >= 100_000_000:
        return f"{done / 1e9:.1f} of {total / 1e9:.1f} GB"
    return f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"


def _event(line: str) -> dict[str, Any]:
    """A line of the program's; what is no event was said by Python, or by a library."""
    try:
        event = json.loads(line)
    except ValueError:
        return {"said": line.rstrip()}
    return event if isinstance(event, dict) else {"said": line.rstrip()}
