"""Pictures made larger in the engine: tile by tile, blended, cut; stopped between tiles; in little memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret import demo_model
from garret.service_runtime.asked import Hires, Upscale
from garret.service_runtime.batch import Batch, Picture, Used
from garret.service_runtime.engine.base import Image, Step
from garret.service_runtime.errors import ModelError, OutOfMemory
from garret.service_runtime.png import encode_png
from tests.service_runtime.asking import ask, batch_of, other
from tests.service_runtime.networks import compact, numbered, real, values_of, write_upscaler

torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")

BATCH = batch_of(demo_model.WEIGHTS, Picture("a red circle on a blue background", "", 3))


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """An engine on the CPU."""
    from garret.service_runtime.engine.sdxl import SdxlEngine

    engine = SdxlEngine("cpu", demo_model.CONFIG)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compact network for twice the size."""
    return write_upscaler(tmp_path_factory.mktemp("ESRGAN") / "tiny.safetensors", compact(2))


def waves(width: int, height: int) -> Any:
    """A picture as rows of bytes."""
    return (
        (numpy.sin(numpy.arange(width * height * 3) * 0.11) * 120 + 128).astype(numpy.uint8).reshape(height, width, 3)
    )


def only(folder: Path, rows: Any, *paths: str, **asked: Any) -> Batch:
    """A batch that makes a picture larger."""
    height, width = rows.shape[:2]
    png = encode_png(rows.tobytes(), width, height)
    image = hashlib.sha256(png).hexdigest()
    (folder / f"{image}.png").write_bytes(png)
    request = ask(checkpoint="", prompt="", width=width, height=height, upscale=Upscale(image, **asked))
    used = Used("", picture=str(folder / f"{image}.png"), upscalers=paths)
    return Batch(request, used, (Picture("", "", 0),))


def the_picture(engine: Any, batch: Batch) -> Any:
    """Return the only picture of a batch as rows."""
    (made,) = [event for event in engine.run(batch) if isinstance(event, Image)]
    return numpy.frombuffer(made.rgb, numpy.uint8).reshape(made.height, made.width, 3)


@pytest.mark.parametrize("shapes", [compact(2), real(12), numbered(2)], ids=["compact", "folded", "numbered"])
def test_tiles_leave_no_seams(tmp_path: Path, shapes: Any) -> None:
    """In pieces a picture is what it is as a whole: exactly so for a compact network, to a level for the others."""
    from garret.service_runtime.engine import tiles
    from garret.service_runtime.engine.upscale import load_network

    loaded = load_network(str(write_upscaler(tmp_path / "n.safetensors", shapes)), torch.device("cpu"), torch.float32)
    rows, seen = waves(147, 101), list[int]()
    whole = tiles.enlarge(loaded, rows, 512, seen.append)
    assert seen == [147 * 101]
    assert whole.shape == (101 * loaded.network.scale, 147 * loaded.network.scale, 3)
    seen.clear()
    pieces = tiles.enlarge(loaded, rows, 64, seen.append)
    assert (len(seen), sum(seen)) == (6, 147 * 101)
    assert abs(pieces.astype(int) - whole.astype(int)).max() <= 1


def test_less_memory_makes_smaller_tiles(tmp_path: Path) -> None:
    """A piece that does not fit is cut, what was done stays done, and the next picture begins with what fitted."""
    from garret.service_runtime.engine import tiles
    from garret.service_runtime.engine.upscale import load_network

    path = write_upscaler(tmp_path / "n.safetensors", compact(2))
    loaded = load_network(str(path), torch.device("cpu"), torch.float32)
    rows, room = waves(300, 280), [150 * 150]
    whole = tiles.enlarge(loaded, rows, 512, lambda _: None)
    inner = loaded.module

    class Short(torch.nn.Module):  # type: ignore[misc]
        def forward(self, picture: Any) -> Any:
            if picture.shape[-1] * picture.shape[-2] > room[0]:
                raise torch.OutOfMemoryError("there is not enough")
            return inner(picture)

    loaded.module, loaded.side = Short(), 0
    seen = list[int]()
    assert (tiles.enlarge(loaded, rows, 256, seen.append) == whole).all()
    assert (loaded.side, sum(seen)) == (128, 300 * 280)
    tiles.enlarge(loaded, rows, 256, seen.append)
    assert loaded.side == 128
    room[0] = 0
    with pytest.raises(OutOfMemory, match="64 x 64"):
        tiles.enlarge(loaded, rows, 256, seen.append)


def test_half_precision_that_overflows_is_left(tmp_path: Path) -> None:
    """Nothing black or broken comes of a network whose states do not fit into sixteen bits."""
    from garret.service_runtime.engine import tiles
    from garret.service_runtime.engine.upscale import load_network

    path = write_upscaler(tmp_path / "n.safetensors", compact(2))
    full = load_network(str(path), torch.device("cpu"), torch.float32)
    half = load_network(str(path), torch.device("cpu"), torch.float16)
    rows = waves(40, 30)
    for one in (full, half):
        one.module.body[0].weight.mul_(8e5)
        one.module.body[4].weight.mul_(2e-3)
    expected = tiles.enlarge(full, rows, 256, lambda _: None)
    assert abs(tiles.enlarge(half, rows, 256, lambda _: None).astype(int) - expected).max() <= 4
    assert half.dtype == torch.float32


def test_a_picture_that_is_there_becomes_larger(engine: Any, network: Path, tmp_path: Path) -> None:
    """By a network, at its factor and at others; by arithmetic; by both, of which the second shines through."""
    rows = waves(48, 40)
    plain = the_picture(engine, only(tmp_path, rows, "", upscaler="Nearest"))
    assert (plain == rows.repeat(2, 0).repeat(2, 1)).all()
    twice = the_picture(engine, only(tmp_path, rows, str(network), upscaler="tiny"))
    assert twice.shape == (80, 96, 3)
    assert the_picture(engine, only(tmp_path, rows, str(network), upscaler="tiny", scale=5)).shape == (200, 240, 3)
    both = only(tmp_path, rows, str(network), "", upscaler="tiny", second="Nearest", visibility=0.25)
    mixed = twice.astype(float) * 0.75 + plain.astype(float) * 0.25
    assert abs(the_picture(engine, both) - mixed).max() <= 1
    square = {"upscaler": "tiny", "width": 96, "height": 96}
    assert the_picture(engine, only(tmp_path, rows, str(network), **square)).shape == (96, 96, 3)
    assert the_picture(engine, only(tmp_path, rows, str(network), crop=False, **square)).shape == (96, 115, 3)


def test_it_tells_its_steps_and_stops_between_two(engine: Any, network: Path, tmp_path: Path) -> None:
    """Steps count pieces of the picture; after closing, the device is free for the next batch."""
    batch = only(tmp_path, waves(500, 300), str(network), upscaler="tiny")
    steps = [event for event in engine.run(batch) if isinstance(event, Step)]
    assert {step.stage for step in steps} == {"upscale"}
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == steps[-1].total
    assert len(steps) == 4
    running = engine.run(batch)
    next(running)
    running.close()
    assert the_picture(engine, only(tmp_path, waves(8, 8), "", upscaler="Lanczos")).shape == (16, 16, 3)


def test_where_memory_is_short_the_models_leave_it(engine: Any, network: Path, tmp_path: Path) -> None:
    """A job that did not fit is tried again with `low`: alone on the device; the next picture loads what it needs."""
    list(engine.run(BATCH))
    assert engine.loaded()
    batch = only(tmp_path, waves(8, 8), str(network), upscaler="tiny")
    assert the_picture(engine, replace(batch, memory="low")).shape == (16, 16, 3)
    assert engine.loaded() == ()
    assert the_picture(engine, BATCH).shape == (64, 64, 3)


def test_new_pictures_become_larger_at_the_end(engine: Any, network: Path) -> None:
    """Their painting is what it was; its steps come first, and all are counted from the first one on."""
    (painted,) = [event for event in engine.run(BATCH) if isinstance(event, Image)]
    batch = other(BATCH, upscale=Upscale(upscaler="Nearest", scale=3))
    batch = Batch(batch.request, Used(batch.used.checkpoint, upscalers=("",)), batch.pictures)
    events = list(engine.run(batch))
    (made,) = [event for event in events if isinstance(event, Image)]
    rows = numpy.frombuffer(painted.rgb, numpy.uint8).reshape(64, 64, 3).repeat(3, 0).repeat(3, 1)
    assert made.rgb == rows.tobytes()
    steps = [event for event in events if isinstance(event, Step)]
    assert [(step.done, step.total) for step in steps] == [(done, 5) for done in range(1, 6)]
    assert [step.stage for step in steps] == ["denoise"] * 4 + ["upscale"]


def test_a_second_pass_may_begin_from_a_networks_work(engine: Any, tmp_path: Path) -> None:
    """With nothing denoised the picture is what autoencoder and network make of it, in another shape as well."""
    network = write_upscaler(tmp_path / "tiny.safetensors", numbered(1))
    hires = Hires(width=96, height=80, upscaler="tiny", denoise=0.0)
    batch = other(BATCH, hires=hires)
    batch = Batch(batch.request, Used(batch.used.checkpoint, hires_upscaler=str(network)), batch.pictures)
    made = the_picture(engine, batch)
    assert made.shape == (80, 96, 3)
    lanczos = the_picture(engine, other(BATCH, hires=Hires(width=96, height=80, upscaler="Lanczos", denoise=0.0)))
    assert abs(made.astype(int) - lanczos.astype(int)).max() > 3


def test_pickles_are_read_by_the_reader_of_weights_alone(engine: Any, network: Path, tmp_path: Path) -> None:
    """In both of PyTorch's formats and below whatever name; one that would call anything is refused unread."""
    from collections import OrderedDict

    shapes = compact(2)
    state = {name: torch.tensor(values).reshape(shapes[name]) for name, values in values_of(shapes).items()}
    rows = waves(24, 24)
    expected = the_picture(engine, only(tmp_path, rows, str(network), upscaler="tiny"))
    files: dict[str, tuple[Any, bool]] = {
        "new": ({"params_ema": state, "iter": 5}, True),
        "old": (OrderedDict(state), False),
        "wrapped": ({"state_dict": {f"module.{name}": value for name, value in state.items()}}, True),
    }
    for name, (content, zipped) in files.items():
        path = tmp_path / f"{name}.pth"
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        assert (the_picture(engine, only(tmp_path, rows, str(path), upscaler=name)) == expected).all()
    torch.save({"params": state, "then": print}, tmp_path / "evil.pth")
    with pytest.raises(ModelError, match=r"evil\.pth"):
        the_picture(engine, only(tmp_path, rows, str(tmp_path / "evil.pth"), upscaler="evil"))
