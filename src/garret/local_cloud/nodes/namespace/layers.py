"""What nodes' disks are made of: the base image, the demo model, and images that were frozen from nodes."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from garret.local_cloud.nodes.driver import DriverError
from garret.local_cloud.nodes.init import write_private
from garret.local_cloud.nodes.namespace import users

DEMO = "usr/share/garret/demo-model"


def demo_layer(cache: Path, model: Path) -> Path:
    """A layer with the demo model, as an image of a real cloud would bring it."""
    weights = b"".join(path.read_bytes() for path in sorted(model.glob("*.safetensors")))
    digest = hashlib.sha256(weights).hexdigest()[:12]
    place = cache / f"demo-{digest}"
    if not place.is_dir():
        fresh = cache / f"demo-{digest}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(model, fresh / DEMO, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
        for folder in [fresh, *(path for path in fresh.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)
        users.shift(fresh)
        fresh.replace(place)
    return place


class Images:
    """Frozen images of one local cloud: each a layer, and the layers below it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, image_id: str) -> bool:
        """Say whether there is such an image that was not dropped."""
        return bool(self._known(image_id)) and not self._known(image_id).get("dropped")

    def layers(self, image_id: str) -> list[str]:
        """The image's layers, topmost first."""
        return list(self._known(image_id)["layers"])

    def freeze(self, image_id: str, disk: Path, below: list[str]) -> int:
        """Make an image of a node's disk, whole or not at all; its size in bytes."""
        self._folder.mkdir(mode=0o711, exist_ok=True)
        place, fresh = self._folder / image_id, self._folder / f".{image_id}.new"
        shutil.rmtree(fresh, ignore_errors=True)  # of an attempt that was killed
        fresh.mkdir(mode=0o711)
        done = subprocess.run(
            ["cp", "-a", str(disk), str(fresh / "layer")], capture_output=True, text=True, check=False
        )
        lost = [line for line in done.stderr.splitlines() if not line.endswith("No such file or directory")]
        if done.returncode and (lost or not done.stderr):  # what has just gone of a node that runs is no failure
            shutil.rmtree(fresh, ignore_errors=True)
            raise DriverError(f"the disk cannot be copied: {done.stderr.strip()[-300:]}")
        record = {"layers": [str(place / "layer"), *below], "dropped": False}
        write_private(fresh / "image.json", json.dumps(record))
        fresh.replace(place)
        return sum(path.lstat().st_blocks * 512 for path in (place / "layer").rglob("*"))

    def thaw(self, image_id: str, disk: Path) -> list[str]:
        """Make a node's disk again what this image was made of, whole or not at all; the layers below it."""
        if not self.has(image_id):
            raise DriverError(f"there is no {image_id} any more")
        top, *below = self.layers(image_id)
        fresh, old = disk.with_name("disk.back"), disk.with_name("disk.old")
        shutil.rmtree(fresh, ignore_errors=True)
        done = subprocess.run(["cp", "-a", top, str(fresh)], capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            raise DriverError(f"the disk cannot be copied back: {done.stderr.strip()[-300:]}")
        shutil.rmtree(old, ignore_errors=True)
        if disk.exists():  # else an earlier attempt was killed between the two
            disk.rename(old)
        fresh.rename(disk)
        shutil.rmtree(old, ignore_errors=True)
        return below

    def drop(self, image_id: str) -> None:
        """Have the image offered no more; it goes with `sweep`."""
        known = self._known(image_id)
        if known:
            self._write(image_id, {**known, "dropped": True})

    def sweep(self, used: set[str]) -> None:
        """Remove dropped images that no layer in use, of a node or of another image, stands on."""
        known = {path.parent.name: self._known(path.parent.name) for path in self._folder.glob("[!.]*/image.json")}
        for one in known.values():
            if not one.get("dropped"):
                used = used | set(one["layers"])
        for image_id, one in known.items():
            if one.get("dropped") and one["layers"][0] not in used:
                shutil.rmtree(self._folder / image_id, ignore_errors=True)

    def _known(self, image_id: str) -> dict[str, list[str]]:
        try:
            return dict(json.loads((self._folder / image_id / "image.json").read_text("utf-8")))
        except (OSError, ValueError):
            return {}

    def _write(self, image_id: str, record: dict[str, object]) -> None:
        write_private(self._folder / image_id / "image.json", json.dumps(record))
