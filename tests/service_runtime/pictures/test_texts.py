"""Texts are read from files of every kind, ours and others', and broken ones do no harm."""

from __future__ import annotations

import io
import random
import zlib

import PIL.Image
import PIL.PngImagePlugin
import pytest

from garret.service_runtime.asked import Output
from garret.service_runtime.picture_header import NotAPicture
from garret.service_runtime.pictures.encode import Texts, encode_picture
from garret.service_runtime.pictures.texts import LONGEST, LONGEST_IN_ALL, infotext_of, texts_of

WORDS = "a red circle, 한 高い\nNegative prompt: blue\nSteps: 2, Sampler: Euler, Seed: 5"


def _file(form: str, words: str = WORDS) -> bytes:
    return encode_picture(bytes(64 * 64 * 3), 64, 64, Output(form), Texts(words, ""))


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_what_is_written_is_read(form: str) -> None:
    """In each format that pictures are delivered in."""
    assert infotext_of(texts_of(_file(form))) == WORDS


def test_texts_of_other_programs_are_read() -> None:
    """Packed ones, named ones of another language, and EXIF as Pillow writes it."""
    info = PIL.PngImagePlugin.PngInfo()
    info.add_text("parameters", WORDS, zip=True)
    info.add_itxt("workflow", '{"a": "ö"}', lang="de", tkey="Ablauf")
    info.add_text("Software", "plain")
    file = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    assert texts_of(file.getvalue()) == {"parameters": WORDS, "workflow": '{"a": "ö"}', "Software": "plain"}
    for mark, encoding in ((b"UNICODE\0", "utf-16-be"), (b"UNICODE\0", "utf-16-le"), (b"ASCII\0\0\0", "ascii")):
        exif = PIL.Image.Exif()
        exif.get_ifd(0x8769)[0x9286] = mark + "steps: 7".encode(encoding)
        data = exif.tobytes()
        for form in ("JPEG", "WEBP", "PNG"):
            file = io.BytesIO()
            PIL.Image.new("RGB", (8, 8)).save(file, form, exif=data)
            assert texts_of(file.getvalue())["exif comment"] == "steps: 7"


def test_a_text_that_unpacks_to_very_much_is_read_in_part() -> None:
    """Twenty megabytes in a hundred kilobytes."""
    packed = zlib.compress(b"x" * 20_000_000, 1)
    chunk = b"parameters\0\0" + packed
    start = _file("png")[:33]
    png = start + len(chunk).to_bytes(4, "big") + b"zTXt" + chunk + bytes(4)
    assert len(texts_of(png)["parameters"]) == LONGEST


def test_a_file_of_very_many_texts_is_read_in_part() -> None:
    """Each of which unpacks to a megabyte, under one key or under many."""
    packed = zlib.compress(b"x" * 1_000_000, 9)
    start = _file("png")[:33]
    for keys in ([b"k"] * 5000, [b"k%d" % number for number in range(5000)]):
        chunks = (key + b"\0\0" + packed for key in keys)
        png = start + b"".join(len(one).to_bytes(4, "big") + b"zTXt" + one + bytes(4) for one in chunks)
        assert sum(map(len, texts_of(png).values())) <= LONGEST_IN_ALL
    long_key = b"k" * 100_000 + b"\0text"
    assert texts_of(start + len(long_key).to_bytes(4, "big") + b"tEXt" + long_key + bytes(4)) == {}


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_broken_files_have_fewer_texts_and_do_no_harm(form: str) -> None:
    """Cut anywhere and changed anywhere."""
    whole, dice = _file(form), random.Random(5)
    for _ in range(400):
        broken = bytearray(whole[: dice.randrange(12, len(whole))])
        for _ in range(dice.randrange(4)):
            broken[dice.randrange(12, len(broken)) if len(broken) > 12 else 0] = dice.randrange(256)
        try:
            texts_of(bytes(broken))
        except NotAPicture:
            continue


def test_what_is_no_picture_is_refused() -> None:
    """By its first bytes."""
    with pytest.raises(NotAPicture, match="HTML"):
        texts_of(b"<html>")
