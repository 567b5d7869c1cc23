"""Previews are pictures by their bytes, whole, and of a size that a page can show."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from PIL import Image

from garret.service_runtime.errors import BadRequest
from garret.service_runtime.inputs import InputStore
from garret.service_runtime.picture_header import MOST_PARTS, NotAPicture, read_picture
from garret.service_runtime.pictures.texts import texts_of

SAVED = {
    "png": ("PNG", {}, ".png"),
    "jpeg": ("JPEG", {}, ".jpg"),
    "progressive": ("JPEG", {"progressive": True, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}, ".jpg"),
    "webp": ("WEBP", {}, ".webp"),
    "lossless webp": ("WEBP", {"lossless": True}, ".webp"),
}


def saved(name: str, size: tuple[int, int] = (37, 23), mode: str = "RGB") -> bytes:
    """A picture as Pillow writes it."""
    buffer, (form, options, _) = io.BytesIO(), SAVED[name]
    Image.effect_noise(size, 50).convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", SAVED)
def test_pictures_of_the_usual_formats_are_known(tmp_path: Path, name: str) -> None:
    """With their size."""
    path = tmp_path / "picture"
    path.write_bytes(saved(name))
    picture = read_picture(path)
    assert (picture.suffix, picture.width, picture.height) == (SAVED[name][2], 37, 23)


def test_a_webp_with_transparency_is_known(tmp_path: Path) -> None:
    """Its extended header has the size at another place."""
    path = tmp_path / "picture"
    path.write_bytes(saved("webp", mode="RGBA"))
    assert read_picture(path).height == 23


@pytest.mark.parametrize("name", SAVED)
def test_half_a_picture_is_none(tmp_path: Path, name: str) -> None:
    """Wherever it ends."""
    path, data = tmp_path / "picture", saved(name)
    for end in (0, 5, 12, 20, 28, len(data) // 2, len(data) - 9):
        path.write_bytes(data[:end])
        with pytest.raises(NotAPicture):
            read_picture(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<svg/>" * 20, "SVG"),
        (b'{"error": 1}', "JSON"),
        (b"GIF89a" + b"\0" * 90, "no PNG"),
        (b"RIFF\x10\0\0\0AVI " + b"\0" * 90, "no PNG"),
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 0, 5) + b"\0" * 99, "not whole|inside"),
    ],
)
def test_what_is_no_picture_is_told(tmp_path: Path, data: bytes, reason: str) -> None:
    """By what it is."""
    path = tmp_path / "picture"
    path.write_bytes(data)
    with pytest.raises(NotAPicture, match=reason):
        read_picture(path)


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    """A few bytes that claim to be a square mile of pixels."""
    data = bytearray(saved("png"))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    path = tmp_path / "picture"
    path.write_bytes(data)
    with pytest.raises(NotAPicture, match="60000 by 60000"):
        read_picture(path)


FULL = {
    "chunks of a PNG": ("png", 33, struct.pack(">I4sI", 0, b"teSt", zlib.crc32(b"teSt"))),
    "empty pixels of a PNG": ("png", -12, struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT"))),
    "segments of a JPEG": ("jpeg", 2, b"\xff\xfe\0\2"),
    "bytes that fill a JPEG": ("jpeg", 2, b"\xff"),
}


@pytest.mark.parametrize("kind", FULL)
def test_a_file_of_headers_is_refused_before_anybody_walks_through_it(tmp_path: Path, kind: str) -> None:
    """A decoder takes seconds for what fits into the largest body; a hundred of them are any file's right."""
    form, at, part = FULL[kind]
    whole, path, store = saved(form), tmp_path / "picture", InputStore(tmp_path / "inputs")
    path.write_bytes(whole[:at] + part * 100 + whole[at:])
    assert (read_picture(path).width, bool(store.put(path.read_bytes()))) == (37, True)
    path.write_bytes(whole[:at] + part * MOST_PARTS + whole[at:])
    for read in (read_picture, lambda file: texts_of(file.read_bytes()), lambda file: store.put(file.read_bytes())):
        with pytest.raises((NotAPicture, BadRequest), match=f"more than {MOST_PARTS} parts"):
            read(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(start=some.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"]), rest=some.binary())
def test_no_bytes_break_the_reader(tmp_path: Path, start: bytes, rest: bytes) -> None:
    """It says no, or yes, and nothing else."""
    path = tmp_path / "picture"
    path.write_bytes(start + rest)
    with suppress(NotAPicture):
        assert read_picture(path).width
