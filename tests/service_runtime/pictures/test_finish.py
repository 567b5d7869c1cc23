"""What a worker made becomes a file as settings and request say: marked, labelled, with its text or without."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from garret.service_runtime.asked import Output
from garret.service_runtime.messages import Made
from garret.service_runtime.models import HashCache, Models
from garret.service_runtime.pictures.finish import Finished, Finisher
from garret.service_runtime.pictures.watermark import BITS, bits_in
from garret.service_runtime.settings import ServiceSettings, SettingsError
from tests.service_runtime.asking import ask, prepared
from tests.service_runtime.living import read_texts

SIDE = 256
GREY = Made(1, 0, SIDE, SIDE, bytes([90, 120, 140]) * (SIDE * SIDE), {"Mode": "low-vram"})
SMALL = Made(1, 0, 64, 64, bytes(64 * 64 * 3))


def finished(folder: Path, made: Made, output: Output = Output(), **settings: Any) -> Finished:  # noqa: B008  (frozen)
    """The picture, finished by a service with these settings."""
    hashes = HashCache(folder / "models.sqlite")
    try:
        finisher = Finisher(ServiceSettings(**settings), Models(folder, folder, hashes))
        return finisher.finish(prepared(ask(output=output)), 0, made, "job-00")
    finally:
        hashes.close()


def pixels(file: bytes) -> bytes:
    """A file's pixels."""
    return PIL.Image.open(io.BytesIO(file)).convert("RGB").tobytes()


def test_by_default_a_file_says_what_it_was_made_from(tmp_path: Path) -> None:
    """The pixels as they came, the infotext with the engine's notes, and no mark."""
    done = finished(tmp_path, GREY)
    assert pixels(done.file) == GREY.rgb
    assert read_texts(done.file) == {"parameters": done.infotext}
    assert "Model: demo" in done.infotext
    assert done.infotext.endswith("RNG: CPU, Mode: low-vram, Version: garret")
    assert done.notes == {"Mode": "low-vram"}


def test_a_caller_may_want_nothing_said(tmp_path: Path) -> None:
    """The text is in the reply all the same; the label stays in the file, as law wants it."""
    done = finished(tmp_path, GREY, Output(metadata=False), aigc_producer="001-lab")
    assert set(read_texts(done.file)) == {"AIGC"}
    assert done.infotext.startswith("a\nSteps: 4")
    label = json.loads(read_texts(done.file)["AIGC"])
    assert (label["Label"], label["ContentProducer"], label["ProduceID"]) == ("1", "001-lab", "job-00")


@pytest.mark.parametrize(("setting", "asked", "marked"), [
    (False, None, False), (True, None, True), (False, True, True), (True, False, False),
])  # fmt: skip
def test_the_watermark_is_by_setting_or_by_request(
    tmp_path: Path, setting: bool, asked: bool | None, marked: bool
) -> None:
    """What a request says counts; where it says nothing, the service's setting does."""
    done = finished(tmp_path, GREY, Output(watermark=asked), watermark=setting)
    assert (bits_in(pixels(done.file), SIDE, SIDE) == BITS) is marked


def test_who_asks_for_a_mark_on_a_small_picture_is_told(tmp_path: Path) -> None:
    """Below 256 x 256 pixels there is none; by setting alone it is left out in silence."""
    assert "Watermark" in finished(tmp_path, SMALL, Output(watermark=True)).notes
    assert finished(tmp_path, SMALL, watermark=True).notes == {}


def test_a_text_too_long_for_a_jpeg_is_told(tmp_path: Path) -> None:
    """The picture is there, its words are in the reply."""
    made = Made(1, 0, 64, 64, SMALL.rgb, {"Long": "x" * 40_000})
    assert finished(tmp_path, made, Output("jpeg")).notes["Infotext"].startswith("not in the file")
    assert "Infotext" not in finished(tmp_path, made, Output("webp")).notes


def test_a_label_takes_only_the_standards_characters() -> None:
    """A wrong name is refused at the start, not found by who reads the file."""
    with pytest.raises(SettingsError, match="GARRET_SERVICE_AIGC_PRODUCER"):
        ServiceSettings(aigc_producer="two words")
