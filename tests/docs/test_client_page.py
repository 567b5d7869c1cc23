"""What docs/client.md shows is run as it stands, and what the client offers is on it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import garret.client
from garret.client import Client, Manners
from garret.client.operation import Streamed, operation
from tests.service_runtime.conftest import TOKEN
from tests.service_runtime.living import fake_settings, serving

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text("utf-8")


def test_the_examples_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after the other, against a live service."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    with serving(fake_settings(tmp_path)) as service:
        monkeypatch.setenv("GARRET_URL", f"http://{service.host}:{service.port}")
        monkeypatch.setenv("GARRET_TOKEN", TOKEN)
        for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
            exec(code, names)  # noqa: S102  (the page's own examples)
    said = capsys.readouterr().out
    assert {path.name for path in tmp_path.glob("*.png")} == {"circle-0.png", "circle-1.png", "photo.png", "large.png"}
    assert "image/webp (1024, 1024)" in said
    assert "steps " in said


def test_every_operation_and_error_has_its_place() -> None:
    """Nothing is offered that nobody is told of."""
    with Client("http://127.0.0.1:1", "t") as client:
        parts = {"": client, "jobs.": client.jobs, "images.": client.images, "models.": client.models}
        offered = [
            f"{prefix}{name}"
            for prefix, part in parts.items()
            for kind in type(part).__mro__
            for name, value in vars(kind).items()
            if isinstance(value, (operation, Streamed))
        ]
    assert len(offered) > 40
    named = set(re.findall(r"`([a-z_.]+)`", PAGE)) | {"generate"}
    assert [one for one in offered if one not in named] == []
    errors = [name for name in garret.client.__all__ if isinstance(value := getattr(garret.client, name), type)
              and issubclass(value, Exception)]  # fmt: skip
    assert [name for name in errors if f"`{name}`" not in PAGE] == []


def test_the_manners_are_those_of_the_page() -> None:
    """With their defaults."""
    rows = dict(re.findall(r"^\| `([a-z_]+_s)` \| (\d+) \|", PAGE, re.MULTILINE))
    assert rows == {one.name: str(int(one.default)) for one in fields(Manners) if one.name.endswith("_s")}
