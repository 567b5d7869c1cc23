"""The real engine and pictures to begin from: what is repainted follows the words, and the rest is kept."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from garret import demo_model
from garret.service_runtime.asked import FILLS, RESIZES, Mask, Start
from garret.service_runtime.batch import Batch, Picture, Used
from garret.service_runtime.engine.base import Image
from garret.service_runtime.inputs import InputStore
from tests.service_runtime.asking import batch_of, other

numpy = pytest.importorskip("numpy")
pytest.importorskip("torch")
from PIL import Image as Pillow  # noqa: E402
from PIL import ImageDraw  # noqa: E402

from garret.demo_model.check import check_picture  # noqa: E402

WHITE, RED, BLUE = (248, 248, 248), (225, 30, 30), (30, 70, 225)
STAR = "a green star on a white background"


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """An engine on the CPU with the demo model."""
    from garret.service_runtime.engine.sdxl import SdxlEngine

    engine = SdxlEngine("cpu", demo_model.CONFIG)
    engine.setup(demo_model.WEIGHTS)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> InputStore:
    """Where the pictures to begin from are kept."""
    return InputStore(tmp_path_factory.mktemp("inputs"))


def discs(*colours: tuple[int, int, int]) -> Any:
    """Return a picture of discs side by side, each in the middle of 128 x 128 white pixels."""
    picture = Pillow.new("RGB", (128 * len(colours), 128), WHITE)
    for index, colour in enumerate(colours):
        ImageDraw.Draw(picture).ellipse((128 * index + 30, 30, 128 * index + 98, 98), fill=colour)
    return numpy.asarray(picture)


def boxed(width: int, box: tuple[int, int, int, int]) -> Any:
    """Return a mask of 128 rows that is white in a box."""
    mask = numpy.zeros((128, width), numpy.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    return mask


def file_of(picture: Any) -> bytes:
    """Return an array as a PNG file."""
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def begun(store: InputStore, picture: Any, mask: Any = None, *, words: str = STAR, **said: Any) -> Batch:
    """Return a batch of one picture that begins from another; `said` is of the mask, the start and the request."""
    of_mask = {name: said.pop(name) for name in vars(Mask("")) if name in said}
    of_start = {name: said.pop(name) for name in vars(Start("")) if name in said}
    image = store.put(file_of(picture))
    kept = store.put_mask(file_of(mask)) if mask is not None else ""
    start = Start(image, mask=Mask(kept, **{"blur": 2, **of_mask}) if kept else None, **of_start)
    used = Used(str(demo_model.WEIGHTS), start=str(store.path(image)), mask=str(store.path(kept)) if kept else "")
    pictures = said.pop("pictures", (Picture(words, "", 1),))
    size = {"width": 128, "height": 128, "steps": 8}
    return batch_of(demo_model.WEIGHTS, *pictures, used=used, start=start, **{**size, **said})


def made(engine: Any, batch: Batch) -> list[Any]:
    """Return a batch's pictures as arrays."""
    images = [event for event in engine.run(batch) if isinstance(event, Image)]
    return [numpy.frombuffer(one.rgb, numpy.uint8).reshape(one.height, one.width, 3) for one in images]


def change(one: Any, other: Any) -> float:
    """Return the mean difference of two pictures in levels of 255."""
    return float(abs(one.astype(int) - other.astype(int)).mean())


def test_strength_orders_the_change(engine: Any, store: InputStore) -> None:
    """From hardly any to another picture altogether: the more is made anew, the less is left of the first."""
    disc = discs(RED)
    asked = {"words": "a green star on a blue background", "steps": 20}
    results = [made(engine, begun(store, disc, denoise=share, **asked))[0] for share in (0.05, 0.1, 0.25, 1.0)]
    changes = [change(result, disc) for result in results]
    assert changes == sorted(changes)
    assert changes[0] < 30 < 2 * changes[0] < changes[1]
    seen = check_picture(results[-1])
    assert (seen.foreground, seen.shape, seen.background) == ("green", "star", "blue")


@pytest.mark.parametrize("fill", FILLS)
def test_inpainting_changes_only_the_masked_shape(engine: Any, store: InputStore, fill: str) -> None:
    """A disc becomes a star; beyond the mask's blurred edge not one bit is another."""
    disc = discs(RED)
    (result,) = made(engine, begun(store, disc, boxed(128, (16, 16, 112, 112)), fill=fill))
    seen = check_picture(result)
    assert (seen.foreground, seen.shape, seen.background) == ("green", "star", "white")
    outside = numpy.ones((128, 128), bool)
    outside[9:119, 9:119] = False
    assert (result[outside] == disc[outside]).all()


def test_only_the_masked_part_is_painted_at_full_size(engine: Any, store: InputStore) -> None:
    """One of two discs becomes a star as large as the model draws it; the result has the picture's own size."""
    two = discs(RED, BLUE)
    mask = boxed(256, (140, 12, 244, 116))
    (result,) = made(engine, begun(store, two, mask, only_masked=True, padding=12, fill="fill", denoise=1.0))
    assert result.shape == two.shape
    assert (result[:, :128] == two[:, :128]).all()
    assert check_picture(result[:, :128]).shape == "circle"
    seen = check_picture(result[:, 128:])
    assert (seen.foreground, seen.shape, seen.background) == ("green", "star", "white")


def test_inverted_is_the_other_part(engine: Any, store: InputStore) -> None:
    """The disc stays, and the background becomes what the words say."""
    disc = discs(RED)
    around = boxed(128, (24, 24, 104, 104))
    words = "a red circle on a blue background"
    (result,) = made(engine, begun(store, disc, around, invert=True, words=words, denoise=1.0))
    assert (result[32:96, 32:96] == disc[32:96, 32:96]).all()
    assert check_picture(result).background == "blue"


def test_outpainting_keeps_the_middle(engine: Any, store: InputStore) -> None:
    """The picture itself, but for a seam; around it goes on what it is of."""
    disc = discs(RED)
    words = "a red circle on a white background"
    (result,) = made(engine, begun(store, disc, resize="outpaint", denoise=1.0, words=words, width=192, height=160))
    middle = numpy.s_[36:124, 52:140]
    assert (result[middle] == disc[20:108, 20:108]).all()
    seen = check_picture(result)
    assert (seen.foreground, seen.shape, seen.background) == ("red", "circle", "white")


def test_shades_of_a_soft_mask_are_between_kept_and_anew(engine: Any, store: InputStore) -> None:
    """Grey changes less than white, and more than black, which stays."""
    disc = discs(RED)
    shades = [numpy.full((128, 128), shade, numpy.uint8) for shade in (20, 60, 255)]
    asked = {"words": "a green star on a blue background", "soft": True, "denoise": 1.0, "steps": 12}
    results = [made(engine, begun(store, disc, mask, **asked))[0] for mask in shades]
    changes = [change(result, disc) for result in results]
    assert changes == sorted(changes)
    assert changes[0] < changes[-1] / 4


@pytest.mark.parametrize("resize", RESIZES)
def test_every_way_of_resizing_is_painted_at_the_size_asked_for(engine: Any, store: InputStore, resize: str) -> None:
    """And shows what it began from, as the little noise leaves it."""
    asked = {"words": "a red circle on a white background", "resize": resize, "denoise": 0.25, "width": 192}
    (result,) = made(engine, begun(store, discs(RED), **asked))
    assert result.shape == (128, 192, 3)
    assert check_picture(result).foreground == "red"


def test_a_picture_is_the_same_alone_and_in_a_batch(engine: Any, store: InputStore) -> None:
    """With a mask, and with a sampler that draws noise at every step."""
    pictures = tuple(Picture(words, "", seed) for seed, words in ((3, STAR), (4, "a blue square")))
    batch = begun(
        store, discs(RED), boxed(128, (16, 16, 112, 112)), fill="noise", sampler="Euler a", pictures=pictures, steps=4
    )
    together = made(engine, batch)
    for index, picture in enumerate(pictures):
        (alone,) = made(engine, other(batch, pictures=(picture,)))
        assert int(abs(alone.astype(int) - together[index].astype(int)).max()) <= 2
    assert change(*together) > 5


def test_nothing_anew_is_the_picture_itself(engine: Any, store: InputStore) -> None:
    """As the model's decoder gives it back, and once for each that was asked for."""
    pictures = (Picture(STAR, "", 1), Picture(STAR, "", 2))
    results = made(engine, begun(store, discs(RED), denoise=0.0, pictures=pictures))
    assert len(results) == 2
    assert check_picture(results[0]).shape == "circle"
    assert change(*results) == 0


def test_a_soft_mask_does_not_mind_who_walks(engine: Any) -> None:
    """A walk in two legs, as with a refiner, holds after each step what one walk does."""
    import torch

    from garret.service_runtime.canvas.canvas import Canvas as Layout
    from garret.service_runtime.engine.canvas import Canvas
    from garret.service_runtime.engine.noise import Noises
    from garret.service_runtime.engine.walk import build_walk

    asked = batch_of("x", steps=8).request
    layout = Layout(Pillow.new("RGB", (64, 64)))
    shades = torch.linspace(0, 1, 64).view(1, 1, 8, 8)
    canvas = Canvas(Start("s"), layout, torch.zeros(1, 4, 8, 8), shades)
    config = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    whole, first, second = (
        build_walk(config, asked, 8, "cpu", Noises([1]), **part) for part in ({}, {"end": 0.5}, {"start": 0.5})
    )
    noise, latents = torch.zeros(1, 4, 8, 8), torch.ones(1, 4, 8, 8)
    one = canvas.blending(whole, noise)
    begun_by, ended_by = canvas.blending(first, noise, 0, 8), canvas.blending(second, noise, first.total_steps, 8)
    assert first.total_steps + second.total_steps == 8
    for i in range(8):
        leg, index = (begun_by, i) if i < first.total_steps else (ended_by, i - first.total_steps)
        assert torch.equal(leg(index, latents), one(i, latents))
        assert int((one(i, latents)[0, 0] == 0).sum()) == int((shades <= (7 - i) / 8).sum())


def test_more_noise_is_another_picture(engine: Any, store: InputStore) -> None:
    """The multiplier reaches the noise that the walk begins with."""
    plain, more = (made(engine, begun(store, discs(RED), denoise=0.5, noise=noise, steps=4))[0] for noise in (1.0, 1.3))
    assert change(plain, more) > 2


def test_an_input_that_is_gone_is_told(engine: Any, store: InputStore) -> None:
    """By its reason; the engine goes on."""
    from garret.service_runtime.errors import ModelError

    batch = begun(store, discs(BLUE), steps=1)
    Path(batch.used.start).unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        made(engine, batch)
    assert made(engine, begun(store, discs(RED), steps=1))
