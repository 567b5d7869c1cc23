"""Wheels small enough to be made in a test, and the locks that name them."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path


def make_wheel(folder: Path, name: str, version: str = "1.0", module: str = "", tag: str = "py3-none-any") -> Path:
    """A wheel that any installer takes, with one module; the same arguments give the same bytes."""
    package, about = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}.dist-info"
    content = {
        f"{package}.py": module or f"VERSION = {version!r}\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in content.items())
    content[f"{about}/RECORD"] = record + f"{about}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{package}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return wheel


def write_lock(path: Path, *wheels: Path, **wrong: str) -> Path:
    """A lock that names these wheels; `wrong` gives another SHA-256 for a package."""
    lines = ["# a lock"]
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        digest = wrong.get(name) or hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name.replace('_', '-')}=={version} \\\n    --hash=sha256:{digest}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
