"""What the runtime may import: nothing of ours outside itself, and torch only where pictures are made."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from garret import service_runtime

ROOM = Path(service_runtime.__file__).parent
HEAVY = ("torch", "diffusers", "transformers", "numpy", "PIL", "click", "jinja2", "paramiko", "aliyunsdkcore")


@pytest.mark.parametrize(
    ("module", "also_not"),
    [
        ("app", ()),
        ("service", ()),
        ("scheduler", ()),
        ("jobs", ()),
        ("job_store", ()),
        ("worker", ()),
        ("node", ("fastapi", "starlette", "uvicorn", "pydantic", "httpx")),
        ("operations", ("fastapi", "starlette", "uvicorn", "pydantic", "httpx")),
        ("settings", ("fastapi", "pydantic", "sqlite3")),
        ("passwords", ("fastapi", "pydantic", "sqlite3")),
    ],
)
def test_a_module_loads_without_the_heavy_ones(module: str, also_not: tuple[str, ...]) -> None:
    """Seen in a fresh interpreter."""
    script = f"import sys, garret.service_runtime.{module}; print(*[n for n in sys.argv[1:] if n in sys.modules])"
    names = [*HEAVY, *also_not, "garret.errors", "garret.settings", "garret.spec", "garret.ops", "garret.cli"]
    done = subprocess.run([sys.executable, "-c", script, *names], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_room_imports_nothing_of_ours_but_itself() -> None:
    """Its bundle travels to a node without the rest of the package."""
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [node.module or ""]
            for name in names:
                if name.split(".")[0] == "garret":
                    assert name == "garret" or name.startswith("garret.service_runtime"), f"{path.name}: {name}"


def test_it_runs_from_an_unpacked_bundle(tmp_path: Path) -> None:
    """Only garret/__init__.py and this room, found by PYTHONPATH; the page's files come along."""
    bundle = tmp_path / "bundle" / "garret"
    shutil.copytree(ROOM, bundle / "service_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOM.parent / "__init__.py", bundle / "__init__.py")
    script = (
        "import garret.service_runtime.app as app, garret.service_runtime.node; print(app.__file__); "
        "from garret.service_runtime.page.words import words_of; print(len(words_of('zh')) > 10)"
    )
    environment = {**os.environ, "PYTHONPATH": str(bundle.parent)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(bundle / "service_runtime" / "app.py"), "True"]
