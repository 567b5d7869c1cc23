"""Extensions made by the tests: projects on the disk, archives of them, and records as an installation leaves them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

from garret.service_runtime.extensions.registry import Extension, Registry
from garret.service_runtime.extensions.v1 import GROUP
from garret.service_runtime.settings import ServiceSettings

HEAD = "from garret.service_runtime.extensions.v1 import Page, Words, hookimpl\n"
SHOUT = HEAD + ("@hookimpl\ndef prompt(words):\n    return Words(words.prompt.upper() + '!', words.negative_prompt)\n")
INVERT = HEAD + (
    "from PIL import ImageOps\n@hookimpl\ndef image(picture, about):\n"
    "    return ImageOps.invert(picture) if 'night' in about['prompt'] else None\n"
)


def project(name: str, code: str, version: str = "1.0", requires: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Return the files of an extension's project: one module with this code."""
    module = name.replace("-", "_")
    toml = (
        f'[project]\nname = "{name}"\nversion = "{version}"\ndependencies = {json.dumps(list(requires))}\n'
        f'[project.entry-points."{GROUP}"]\nmain = "{module}"\n'
    )
    return {"pyproject.toml": toml.encode(), f"src/{module}.py": code.encode()}


def zipped(files: Mapping[str, bytes], top: str = "project-main/") -> bytes:
    """Return a zip archive as a code host makes it: all files below one folder."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(top + name, content)
    return memory.getvalue()


def tarred(files: Mapping[str, bytes], top: str = "project-main/") -> bytes:
    """Return a tar.gz archive."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(top + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return memory.getvalue()


def wheel(name: str, code: str, version: str = "1.0", requires: tuple[str, ...] = ()) -> tuple[str, bytes]:
    """Return a wheel's file name and content."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{module}.py": code,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[{GROUP}]\nmain = {module}\n" if GROUP in code or "hookimpl" in code else "",
    }
    files[f"{info}/RECORD"] = "".join(f"{one},,\n" for one in files) + f"{info}/RECORD,,\n"
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for one, content in files.items():
            archive.writestr(one, content)
    return f"{module}-{version}-py3-none-any.whl", memory.getvalue()


def put(settings: ServiceSettings, name: str, code: str, hooks: tuple[str, ...], **changes: Any) -> Extension:
    """Put an extension onto the disk as an installation does, without one."""
    digest = hashlib.sha256(code.encode()).hexdigest()
    folder = f"{name}/{digest[:12]}"
    registry = Registry(settings)
    for path, content in project(name, code).items():
        file = registry.code / folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    module = name.replace("-", "_")
    record = {
        "name": name, "version": "1.0", "source": "tests", "digest": digest, "folder": folder, "paths": ("src",),
        "entry_points": {"main": module}, "hooks": hooks, "installed_at": "2026-11-21T00:00:00Z", **changes,
    }  # fmt: skip
    return registry.save(Extension(**record))
