"""A picture's file in each format: the pixels, the words where A1111 looks for them, and the label where law does."""

from __future__ import annotations

import io
import json
from typing import Any
from xml.etree import ElementTree

import PIL.Image
import pytest

from garret.service_runtime.asked import Output
from garret.service_runtime.pictures.encode import Texts, encode_picture, fits
from garret.service_runtime.pictures.label import NAMESPACE, label_text

WIDTH, HEIGHT = 96, 64
RGB = b"".join(bytes((x * 2, y * 3, 90)) for y in range(HEIGHT) for x in range(WIDTH))
WORDS = "ein Kreis, 红色的圆 🔴\nSteps: 4, Seed: 1, Size: 96x64"
LABEL = label_text("001191110108MA01KP2T5U00000", "", "0123-00")


def made(form: str, texts: Texts, quality: int = 90) -> PIL.Image.Image:
    """The file, opened by Pillow."""
    picture = PIL.Image.open(io.BytesIO(encode_picture(RGB, WIDTH, HEIGHT, Output(form, quality), texts)))
    picture.load()
    return picture


def comment_in(picture: PIL.Image.Image) -> str:
    """EXIF's comment, read as piexif reads it."""
    comment = picture.getexif().get_ifd(0x8769)[0x9286]
    assert comment[:8] == b"UNICODE\0"
    return str(comment[8:].decode("utf-16-be"))


def label_in(xmp: bytes) -> Any:
    """The label of an XMP packet, read by an XML parser."""
    (found,) = ElementTree.fromstring(xmp.decode()).iter(f"{{{NAMESPACE}}}AIGC")  # noqa: S314  (our own packet)
    return json.loads(str(found.text))


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_jpeg_and_webp_carry_words_and_label(form: str) -> None:
    """Words in EXIF's UserComment, the label in XMP, the pixels near to what was made."""
    picture = made(form, Texts(WORDS, LABEL), 95)
    assert (picture.format, picture.size, picture.mode) == (form.upper(), (WIDTH, HEIGHT), "RGB")
    assert comment_in(picture) == WORDS
    assert label_in(picture.info["xmp"]) == json.loads(LABEL)
    furthest = max(abs(a - b) for a, b in zip(picture.tobytes(), RGB, strict=True))
    assert furthest < 24


def test_png_carries_words_and_label() -> None:
    """Each has its text chunk; the label is ASCII, so that it is plain tEXt."""
    picture = made("png", Texts(WORDS, LABEL))
    assert picture.tobytes() == RGB
    assert {key: str(value) for key, value in picture.info.items()} == {"parameters": WORDS, "AIGC": LABEL}
    assert b"tEXtAIGC\0{" in encode_picture(RGB, WIDTH, HEIGHT, Output(), Texts("", LABEL))


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_a_file_may_say_nothing(form: str) -> None:
    """Without words and label nothing is written but the picture."""
    picture = made(form, Texts())
    assert not picture.getexif()
    assert not {"xmp", "parameters", "AIGC"} & set(picture.info)


def test_quality_is_heard() -> None:
    """Less of it makes smaller files."""
    for form in ("jpeg", "webp"):
        sizes = [len(encode_picture(RGB, WIDTH, HEIGHT, Output(form, quality), Texts())) for quality in (20, 95)]
        assert sizes[0] < sizes[1]


def test_words_that_no_jpeg_has_room_for_are_left_out() -> None:
    """EXIF of a JPEG is one segment of 64 KiB; the picture is made all the same, and WebP has room."""
    words = "x" * 40_000
    assert not fits(Output("jpeg"), words)
    assert not made("jpeg", Texts(words)).getexif()
    assert comment_in(made("webp", Texts(words))) == words


def test_the_label_has_the_seven_fields_of_the_standard() -> None:
    """All are text; who makes a picture is its first propagator, unless another is named."""
    assert json.loads(LABEL) == {
        "Label": "1",
        "ContentProducer": "001191110108MA01KP2T5U00000",
        "ProduceID": "0123-00",
        "ReservedCode1": "",
        "ContentPropagator": "001191110108MA01KP2T5U00000",
        "PropagateID": "0123-00",
        "ReservedCode2": "",
    }
    assert json.loads(label_text("a", "b", "c"))["ContentPropagator"] == "b"


def test_what_a_label_says_never_becomes_xml() -> None:
    """A producer's name with marks of XML in it is read back as it was."""
    label = label_text("a<b>&c", "", "1")
    assert label_in(made("webp", Texts("", label)).info["xmp"]) == json.loads(label)
