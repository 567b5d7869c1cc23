"""What an extension can do to a running service, and what it cannot: each failure has its name, the service lives."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from garret.service_runtime.extensions.loading import load_one, new_manager
from garret.service_runtime.extensions.registry import PROVEN, Registry
from garret.service_runtime.settings import ServiceSettings
from tests.service_runtime.extensions.making import HEAD, INVERT, SHOUT, put
from tests.service_runtime.living import Service, fake_settings, serving

MISCHIEF = (
    HEAD
    + """
import os, time
@hookimpl(trylast=True)
def prompt(words, request):
    if "raise" in words.prompt.lower():
        raise ValueError("no such mood")
    if "number" in words.prompt.lower():
        return 7
    if "endless" in words.prompt.lower():
        return Words("x" * 17000)
    if "exit" in words.prompt.lower():
        raise SystemExit(3)
@hookimpl
def image(picture, about):
    if "spoil" in about["prompt"].lower():
        raise RuntimeError("spoiled")
    if "huge" in about["prompt"].lower():
        return picture.resize((9000, 8))
    if "wide" in about["prompt"].lower():
        return picture.convert("L").resize((128, 32))
"""
)
PAGE = (
    HEAD
    + """
from pathlib import Path
from fastapi import APIRouter
@hookimpl
def routes():
    router = APIRouter()
    @router.get("/hello")
    def hello():
        \"\"\"Say hello.\"\"\"
        return {"hello": "you"}
    @router.get("/broken")
    def broken():
        raise KeyError("gone")
    return router
@hookimpl
def page():
    folder = Path(__file__).parent
    (folder / "panel.js").write_text("// a panel")
    return Page(folder, scripts=("panel.js",))
"""
)
BROKEN = "raise ImportError('what it needs is not here')\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ServiceSettings:
    """A service with five extensions, one of which cannot be loaded since some update."""
    folder = tmp_path_factory.mktemp("extensions")
    settings = replace(fake_settings(folder), extensions_dir=folder / "extensions")
    put(settings, "shout", SHOUT, ("prompt",), trial=PROVEN)
    put(settings, "invert", INVERT, ("image",), trial=PROVEN)
    put(settings, "mischief", MISCHIEF, ("image", "prompt"), trial=PROVEN)
    put(settings, "panel", PAGE, ("page", "routes"), trial=PROVEN)
    put(settings, "rotten", BROKEN, ("page",), trial=PROVEN)
    put(settings, "asleep", BROKEN, ("prompt",), trial=PROVEN, state="disabled")
    return settings


@pytest.fixture(scope="module")
def service(settings: ServiceSettings) -> Iterator[Service]:
    """It runs."""
    with serving(settings) as running:
        yield running


def test_words_are_changed_and_the_picture_says_so(service: Service) -> None:
    """Who reads the picture's text finds what it was made from."""
    answer = service.txt2img(prompt="a star", seed=1)
    assert answer.json["parameters"]["prompt"] == "A STAR!"
    picture = Image.open(io.BytesIO(answer.pictures[0]))
    assert picture.text["parameters"].startswith("A STAR!")


def test_pictures_are_changed_in_the_worker(service: Service) -> None:
    """Inverted and as it was, from the same words and seed: the engine's picture follows from them alone."""
    first = service.txt2img(prompt="night", seed=1)
    assert first.status == 200
    wide = Image.open(io.BytesIO(service.txt2img(prompt="wide", seed=1).pictures[0]))
    assert wide.size == (128, 32)
    assert wide.mode == "RGB"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("please raise", "ValueError: no such mood"),
        ("a number", "prompt returned int, not Words"),
        ("endless", "has 17000 characters"),
        ("exit", "SystemExit: 3"),
        ("spoil it", "RuntimeError: spoiled"),
        ("huge", "9000 x 8"),
    ],
)
def test_a_broken_hook_fails_its_job_by_name_and_nothing_else(service: Service, words: str, reason: str) -> None:
    """Whatever it does, the next job is made by the same processes."""
    workers = service.workers()
    answer = service.txt2img(prompt=words)
    assert answer.status == 500
    assert answer.json["error"] == "ExtensionFailed"
    assert "mischief" in answer.json["errors"]
    assert reason in answer.json["errors"]
    assert "garret ops extensions disable" in answer.json["detail"]
    assert service.txt2img(prompt="a star").status == 200
    assert service.workers() == workers


def test_routes_answer_below_their_name_behind_the_guard(service: Service) -> None:
    """They are listed, their mistakes are theirs, and the service's headers are on their answers."""
    answer = service.call("GET", "/extensions/panel/hello")
    assert answer.json == {"hello": "you"}
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    broken = service.call("GET", "/extensions/panel/broken")
    assert (broken.status, broken.json["error"]) == (500, "ExtensionFailed")
    assert "extension panel: KeyError: 'gone'" in broken.json["errors"]
    assert "/extensions/panel/hello" in service.call("GET", "/openapi.json").json["paths"]


def test_the_page_has_its_files_and_no_others(service: Service) -> None:
    """Files of its folder only, by one name."""
    assert b'<script src="/extensions/panel/files/panel.js" defer>' in service.call("GET", "/").body
    script = service.call("GET", "/extensions/panel/files/panel.js")
    assert (script.body, script.headers["content-type"]) == (b"// a panel", "text/javascript; charset=utf-8")
    for name in ("..%2F..%2F..%2F..%2Fstate%2Fjobs.sqlite", "%2e%2e", "none.js", "..%5cpanel.js"):
        assert service.call("GET", f"/extensions/panel/files/{name}").status == 404
    assert service.call("GET", "/extensions/shout/files/shout.py").status == 404


def test_the_dialect_lists_them_and_installs_none(service: Service) -> None:
    """Who has the page's password can look, and change nothing."""
    listed = {one["name"]: one["enabled"] for one in service.call("GET", "/sdapi/v1/extensions").json}
    assert listed == dict.fromkeys(("invert", "mischief", "panel", "rotten", "shout"), True) | {"asleep": False}
    paths = service.call("GET", "/openapi.json").json["paths"]
    ours = {path: set(methods) for path, methods in paths.items() if "extension" in path}
    assert all(methods == {"get"} for methods in ours.values()), ours


@pytest.mark.parametrize(("folder", "paths"), [("../state/planted", ("code",)), ("shout", ("../../state/planted",))])
def test_code_from_elsewhere_is_never_loaded(tmp_path: Path, folder: str, paths: tuple[str, ...]) -> None:
    """Records lie where the service writes; whoever gets into it must not plant code for its next start."""
    settings = replace(fake_settings(tmp_path), extensions_dir=tmp_path / "extensions")
    put(settings, "shout", SHOUT, ("prompt",), trial=PROVEN)
    planted = tmp_path / "state/planted"
    for place in (planted, planted / "code"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "planted.py").write_text(SHOUT)
    registry = Registry(settings)
    record = replace(registry.get("shout"), folder=folder, paths=paths, entry_points={"main": "planted"})
    with pytest.raises(ImportError, match="is not below"):
        load_one(record, registry, new_manager())


def test_jobs_are_refused_without_an_extension_that_they_need(tmp_path: Path) -> None:
    """Who installed a filter of words would rather have no picture than one without it; a page may be missing."""
    settings = replace(fake_settings(tmp_path), extensions_dir=tmp_path / "extensions")
    put(settings, "filter", BROKEN, ("prompt",), trial=PROVEN)
    with serving(settings) as service:
        answer = service.txt2img(prompt="a star")
        assert (answer.status, answer.json["error"]) == (500, "ExtensionFailed")
        assert "extension filter: ImportError: what it needs is not here" in answer.json["errors"]
        assert service.call("GET", "/v1/samplers").status == 200
        assert Registry(settings).get("filter").is_on
