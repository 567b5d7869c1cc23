"""Pictures from outside: read whatever honest cameras and editors write, refuse what is made to do harm."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from garret.service_runtime.errors import BadRequest, NotFound
from garret.service_runtime.inputs import MAXIMUM_SIDE, InputStore

RED, BLUE = (200, 30, 40), (20, 40, 210)


@pytest.fixture
def store(tmp_path: Path) -> InputStore:
    """An empty store."""
    return InputStore(tmp_path / "inputs")


def written(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def halves(width: int = 24, height: int = 16) -> Image.Image:
    """Return a picture that is red on the left and blue on the right."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


def kept(store: InputStore, data: bytes) -> Any:
    """Put a file and return what is kept of it as an array."""
    with Image.open(store.path(store.put(data))) as picture:
        assert picture.mode == "RGB"
        return numpy.asarray(picture)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_says(width: int, height: int, pixels: bytes = b"\0") -> bytes:
    """Return a PNG whose header tells of so many pixels, whatever is in it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def refused(store: InputStore, data: bytes) -> str:
    """Return why a file is refused; nothing is left of it."""
    with pytest.raises(BadRequest) as caught:
        store.put(data, "init_images")
    assert caught.value.field == "init_images"
    assert caught.value.hint
    return caught.value.reason


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_every_usual_format_is_read(store: InputStore, kind: str) -> None:
    """And kept as PNG under the digest of what is kept."""
    expected = numpy.asarray(halves()).astype(int)
    assert abs(kept(store, written(halves(), kind)).astype(int) - expected).mean() < 8


def test_the_same_picture_is_kept_once(store: InputStore, tmp_path: Path) -> None:
    """Whatever its file said beside the pixels; another picture is another one."""
    words = PngInfo()
    words.add_text("parameters", "a secret")
    first, second = store.put(written(halves())), store.put(written(halves(), pnginfo=words, compress_level=9))
    assert first == second != store.put(written(Image.new("RGB", (8, 8))))
    assert sorted(path.suffix for path in (tmp_path / "inputs").iterdir()) == [".png", ".png"]
    assert b"secret" not in store.path(first).read_bytes()


def test_the_same_picture_may_come_twice_at_once(store: InputStore) -> None:
    """Two requests that begin from one picture each find it kept."""
    colours = [(shade, 0, 0) for shade in range(40)]
    pictures = [written(Image.new("RGB", (64, 64), colour)) for colour in colours for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        names = list(pool.map(store.put, pictures))
    assert names[::2] == names[1::2]


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_camera_held_sideways_makes_an_upright_picture(store: InputStore, turn: int) -> None:
    """All eight orientations that EXIF knows, in each format that carries it."""
    upright = halves()
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    shot = upright.transpose(back[turn]) if turn in back else upright
    exif = Image.Exif()
    exif[0x0112] = turn
    for kind, options in (("JPEG", {"quality": 100, "subsampling": 0}), ("PNG", {}), ("WEBP", {"lossless": True})):
        made = kept(store, written(shot, kind, exif=exif, **options)).astype(int)
        assert abs(made - numpy.asarray(upright)).max() < 12


def test_transparency_shows_white(store: InputStore) -> None:
    """In a picture with an alpha channel, in a palette, in greys, and where one colour stands for it."""
    seen = halves().convert("RGBA")
    seen.paste((0, 255, 0, 0), (0, 0, 4, 16))
    seen.paste((0, 0, 0, 128), (4, 0, 8, 16))
    made = kept(store, written(seen))
    assert (made[:, :4] == 255).all()
    assert abs(made[:, 4:8].astype(int) - 127).max() <= 1
    assert (made[:, 8:12] == RED).all()
    assert (made[:, 12:] == BLUE).all()
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([*RED, *BLUE])
    palette.paste(0, (0, 0, 4, 8))
    made = kept(store, written(palette, transparency=0))
    assert (made[:, :4] == 255).all()
    assert (made[:, 4:] == BLUE).all()
    made = kept(store, written(palette, transparency=b"\xff\x00"))
    assert (made[:, :4] == RED).all()
    assert (made[:, 4:] == 255).all()
    made = kept(store, written(Image.new("RGB", (8, 8), RED), transparency=RED))
    assert (made == 255).all()
    made = kept(store, written(Image.new("LA", (8, 8), (0, 0))))
    assert (made == 255).all()


def test_other_depths_and_inks_keep_their_shades(store: InputStore) -> None:
    """16 bits of grey are not clipped; black and white, and printers' CMYK, come as what they look like."""
    greys = Image.fromarray(numpy.linspace(0, 65_535, 64).astype(numpy.uint16).reshape(8, 8))
    made = kept(store, written(greys))
    assert abs(made[..., 0].ravel().astype(int) - numpy.linspace(0, 255, 64)).max() <= 1
    assert (kept(store, written(Image.new("1", (8, 8), 1))) == 255).all()
    made = kept(store, written(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert abs(made.astype(int) - (255, 0, 0)).max() < 6


def test_what_is_larger_than_any_result_is_reduced(store: InputStore) -> None:
    """In its own proportions."""
    made = kept(store, written(Image.new("RGB", (8192, 1000), RED), compress_level=1))
    assert made.shape == (500, MAXIMUM_SIDE, 3)
    assert (made == RED).all()


def test_what_is_no_picture_says_what_it_is(store: InputStore, tmp_path: Path) -> None:
    """A page, JSON, other formats, a picture that ends too soon, nothing at all."""
    assert "web page" in refused(store, b"<!doctype html>")
    assert "JSON" in refused(store, b'{"detail": "no"}')
    assert "no PNG, JPEG or WebP" in refused(store, b"")
    assert "no PNG, JPEG or WebP" in refused(store, written(halves(), "GIF"))
    assert "no PNG, JPEG or WebP" in refused(store, b"%!PS-Adobe-3.0 EPSF")
    for kind in ("PNG", "JPEG", "WEBP"):
        data = written(Image.effect_noise((64, 64), 60).convert("RGB"), kind)
        assert "cannot be decoded" in refused(store, data[: len(data) // 2])
        assert "cannot be decoded" in refused(store, data[:20])
    assert list((tmp_path / "inputs").iterdir()) == []


def test_animated_pictures_are_refused(store: InputStore) -> None:
    """No frame is taken for the one that was meant."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    for kind in ("PNG", "WEBP"):
        assert "animated" in refused(store, written(frames[0], kind, save_all=True, append_images=frames[1:]))


def test_the_picture_of_a_telephone_is_its_first(store: InputStore) -> None:
    """An MPO file brings smaller copies behind the picture itself."""
    data = written(halves(), "MPO", save_all=True, append_images=[Image.new("RGB", (4, 4))], quality=100)
    assert data.startswith(b"\xff\xd8\xff")
    assert kept(store, data).shape == (16, 24, 3)


@pytest.mark.timeout(20)
def test_bombs_are_refused_before_a_pixel_is_decoded(store: InputStore) -> None:
    """Sizes beyond bounds by the header alone, lines, and a JPEG that is drawn over and over."""
    for width, height in ((60_000, 60_000), (12_000, 12_000), (8001, 8001), (2**31 - 1, 2**31 - 1)):
        assert "pixels" in refused(store, png_that_says(width, height))
    assert "line" in refused(store, png_that_says(1, 65))
    bomb = written(Image.new("RGB", (64, 64)), "JPEG", progressive=True)
    scan = bomb.index(b"\xff\xda")
    assert "scans" in refused(store, bomb[:scan] + bomb[scan:-2] * 60 + b"\xff\xd9")
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * (200 << 20), 9))
    data = png_that_says(8, 8, (b"\0" + bytes(24)) * 8)
    before = time.monotonic()
    store_or_refuse(store, data[:33] + text + data[33:])
    assert time.monotonic() - before < 2


def store_or_refuse(store: InputStore, data: bytes) -> None:
    """Put a file that may be refused."""
    try:
        store.put(data)
    except BadRequest:
        return


def test_no_bytes_bring_anything_but_a_refusal(store: InputStore) -> None:
    """Files with bytes changed at random: kept or refused."""
    random = numpy.random.default_rng(1)
    for kind in ("PNG", "JPEG", "WEBP"):
        data = numpy.frombuffer(written(Image.effect_noise((32, 32), 60).convert("RGB"), kind), numpy.uint8)
        for _ in range(60):
            hurt = data.copy()
            places = random.integers(2, len(hurt), 4)
            hurt[places] = random.integers(0, 256, 4)
            store_or_refuse(store, hurt.tobytes())


def grey(store: InputStore, sha256: str) -> Any:
    """Return a mask as kept."""
    with Image.open(store.path(sha256)) as mask:
        assert mask.mode == "L"
        return numpy.asarray(mask)


def test_a_mask_is_how_white_it_is(store: InputStore) -> None:
    """White strokes on black and on nothing are the same mask; what is transparent is black."""
    drawn = Image.new("L", (16, 16), 0)
    drawn.paste(255, (4, 4, 12, 12))
    floating = Image.merge("LA", (Image.new("L", (16, 16), 255), drawn))
    masks = {store.put_mask(written(one)) for one in (drawn, drawn.convert("RGB"), drawn.convert("1"), floating)}
    assert len(masks) == 1
    assert (grey(store, masks.pop()) == numpy.asarray(drawn)).all()


def test_a_mask_by_transparency_is_its_opposite(store: InputStore) -> None:
    """What is transparent is repainted there, whatever its colour; half of it is half."""
    seen = halves(16, 16).convert("RGBA")
    seen.paste((255, 255, 255, 0), (4, 4, 12, 12))
    seen.paste((0, 0, 0, 155), (0, 0, 2, 16))
    mask = grey(store, store.put_mask(written(seen), transparent=True))
    assert (mask[4:12, 4:12] == 255).all()
    assert (mask[:, :2] == 100).all()
    assert mask[:, 12:].max() == 0


def test_a_mask_that_repaints_nothing_is_refused(store: InputStore) -> None:
    """It would cost a picture's time for the picture that is there already."""
    with pytest.raises(BadRequest, match="nothing white"):
        store.put_mask(written(Image.new("L", (8, 8), 0)))
    with pytest.raises(BadRequest, match="nothing transparent"):
        store.put_mask(written(halves()), transparent=True)
    with pytest.raises(BadRequest, match="nothing black"):
        store.put_mask(written(Image.new("L", (8, 8), 255)), inverted=True)
    assert store.put_mask(written(Image.new("L", (8, 8), 0)), inverted=True)


def test_inputs_of_no_job_go_after_a_while(store: InputStore) -> None:
    """Those of jobs stay, and those just put; putting one again counts as new."""
    ours, new, old = (store.put(written(Image.new("RGB", (side, 8)))) for side in (8, 9, 10))
    for sha256 in (ours, old):
        os.utime(store.path(sha256), (1, 1))
    assert store.keep_only({ours}) == 1
    assert store.path(ours).is_file()
    assert store.path(new).is_file()
    with pytest.raises(NotFound, match="there is no input"):
        store.path(old)
    store.put(written(Image.new("RGB", (8, 8))))
    assert store.keep_only(set()) == 0


def test_nothing_but_a_digest_names_an_input(store: InputStore) -> None:
    """No path out of the folder."""
    for name in ("", "../jobs", "a" * 63, "A" * 64, "/" * 64):
        with pytest.raises(BadRequest, match="SHA-256"):
            store.path(name)
