"""Writes examples/deploy.full.yaml: `python -m tests.docs.deploy_file`."""

from __future__ import annotations

from pathlib import Path

from garret.spec.manual import manual

FILE = Path(__file__).resolve().parents[2] / "examples/deploy.full.yaml"

if __name__ == "__main__":
    FILE.write_text(manual(), "utf-8")
