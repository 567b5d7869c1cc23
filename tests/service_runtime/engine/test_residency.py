"""Which checkpoints stay and which go, by how much memory there is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret import demo_model
from garret.service_runtime.asked import Hires
from garret.service_runtime.batch import Picture
from garret.service_runtime.engine.base import Image
from garret.service_runtime.errors import ModelError, OutOfMemory
from tests.service_runtime.asking import batch_of, other

torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")

BATCH = batch_of(demo_model.WEIGHTS, Picture("a red circle", "", 1), steps=2)
CPU = torch.device("cpu")


@pytest.fixture
def models(tmp_path: Path) -> list[str]:
    """Three checkpoints with the same weights."""
    paths = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for path in paths:
        path.symlink_to(demo_model.WEIGHTS)
    return [str(path) for path in paths]


def residency(budget: int = 0) -> Any:
    """Return an empty residency on the CPU."""
    from garret.service_runtime.engine.residency import Residency

    return Residency(CPU, torch.float32, demo_model.CONFIG, budget)


def weights() -> int:
    """Return the bytes of the demo model's weights in full precision."""
    from garret.service_runtime.engine.estimate import weights_of
    from garret.service_runtime.engine.layout import lay_out

    return weights_of(lay_out(demo_model.WEIGHTS, demo_model.CONFIG), torch.float32)


def using(path: str) -> Any:
    """Return the batch, made with a checkpoint."""
    return replace(BATCH, used=replace(BATCH.used, checkpoint=path))


def test_weights_are_counted_as_they_will_lie_in_memory() -> None:
    """What the header promises is what the loaded modules have."""
    from garret.service_runtime.engine.estimate import bytes_of
    from garret.service_runtime.engine.residency import modules_of

    parts, _ = residency().take(str(demo_model.WEIGHTS))
    assert sum(map(bytes_of, modules_of(parts))) == weights()


def test_work_is_the_largest_stage_or_both_where_they_overlap() -> None:
    """A GPU decodes one batch while it denoises the next; sizes, pictures, guidance and the type all count."""
    from garret.service_runtime.engine.estimate import weigh, work_bytes
    from garret.service_runtime.engine.layout import lay_out

    weighed = weigh(lay_out(demo_model.WEIGHTS, demo_model.CONFIG), torch.float32)

    def work(pictures: int = 1, overlapping: bool = False, **changes: Any) -> int:
        request = other(BATCH, **changes).request
        return work_bytes(weighed, request, pictures, torch.float32, overlapping=overlapping)

    assert work(width=128) == 2 * work()
    assert work(overlapping=True) > work()
    many = work(16, cfg_scale=5.0)
    assert many > work(16, cfg_scale=1.0) >= work()
    assert work(hires=Hires(scale=2.0)) == 4 * work()


def test_as_many_stay_as_there_is_memory_for(models: list[str]) -> None:
    """With room for two and their work the one that was used longest ago goes before the third comes."""
    held = residency(budget=3 * weights() - 1)
    for path in (*models[:2], models[0]):
        held.begin(using(path))
        held.take(path)
    assert held.loaded() == (models[1], models[0])
    assert held.memory() == (2 * weights(), 3 * weights() - 1)
    held.begin(using(models[2]))
    assert held.loaded() == (models[0],)
    held.take(models[2])
    assert (held.loaded(), held.mode) == ((models[0], models[2]), "normal")
    held.unload()
    assert (held.loaded(), held.memory()[0]) == ((), 0)


def test_without_a_budget_two_stay(models: list[str]) -> None:
    """Nobody knows how much of a CPU's memory is whose."""
    held = residency()
    for path in models:
        held.begin(using(path))
        held.take(path)
    assert held.loaded() == tuple(models[1:])


def test_a_replaced_file_is_loaded_anew(tmp_path: Path) -> None:
    """And the one that was loaded under its name is let go."""
    path = tmp_path / "model.safetensors"
    shutil.copy(demo_model.WEIGHTS, path)
    held = residency()
    before, _ = held.take(str(path))
    assert held.take(str(path))[0] is before
    fresh = tmp_path / "fresh"
    shutil.copy(demo_model.WEIGHTS, fresh)
    fresh.replace(path)
    held.begin(using(str(path)))
    assert held.loaded() == ()
    assert held.take(str(path))[0] is not before
    path.unlink()
    with pytest.raises(ModelError, match=r"model.safetensors: No such file"):
        held.begin(using(str(path)))


def test_short_memory_is_low_vram_mode_by_itself(models: list[str]) -> None:
    """Weights and work are held against the budget; a larger picture needs more, and a request may say its mode."""
    held = residency(budget=weights() + 20_000_000)
    held.begin(BATCH)
    assert (held.mode, held.tiled) == ("normal", False)
    for large in (other(BATCH, width=1024, height=1024), other(BATCH, hires=Hires(scale=4.0))):
        held.begin(replace(large, memory="auto"))
        assert (held.mode, held.tiled) == ("low-vram", True)
        held.begin(replace(large, memory="normal"))
        assert held.mode == "normal"
    held.begin(replace(BATCH, memory="low"))
    assert held.mode == "low-vram"


def test_low_vram_mode_leaves_the_device_to_its_batch(models: list[str]) -> None:
    """Another checkpoint that lies on the device goes, as room is just what is missing; one at home may stay."""
    held = residency(budget=20 * weights())
    for path in models[:2]:
        held.begin(using(path))
        held.take(path)
    held.begin(replace(using(models[1]), memory="low"))
    assert held.loaded() == (models[1],)
    held.take(models[1])
    assert held.memory()[0] == 0
    held.begin(replace(using(models[2]), memory="low"))
    assert held.loaded() == (models[1],)


def test_a_checkpoint_that_cannot_be_moved_is_let_go(models: list[str]) -> None:
    """Half on the device and half at home, it would fail every batch after this one."""
    held = residency()
    held.begin(using(models[0]))
    parts, _ = held.take(models[0])
    parts.vae.decoder.conv_in.weight = torch.nn.Parameter(torch.empty(0, device="meta"))
    held.begin(replace(using(models[0]), memory="low"))
    with pytest.raises(NotImplementedError):
        held.take(models[0])
    assert held.loaded() == ()
    assert held.take(models[0])[0] is not parts


def test_a_picture_has_its_mode_beside_others_as_well() -> None:
    """What fits by itself is not made with little memory, which shows, because others came along."""
    from garret.service_runtime.engine.estimate import weigh, work_bytes
    from garret.service_runtime.engine.layout import lay_out

    weighed = weigh(lay_out(demo_model.WEIGHTS, demo_model.CONFIG), torch.float32)
    four = replace(BATCH, pictures=BATCH.pictures * 4)
    work = [work_bytes(weighed, BATCH.request, count, torch.float32) for count in (1, 4)]
    held = residency(budget=weights() + (work[0] + work[1]) // 2)
    with pytest.raises(OutOfMemory, match="4 pictures at once need"):
        held.begin(four)
    for batch in (BATCH, replace(four, memory="normal")):
        held.begin(batch)
        assert held.mode == "normal"
    held.begin(replace(four, memory="low"))
    assert held.mode == "low-vram"


def test_in_low_vram_mode_only_the_stage_at_work_is_on_the_device() -> None:
    """Its weights come for as long as it lasts; the device never holds the whole checkpoint."""
    from garret.service_runtime.engine.estimate import bytes_of

    held = residency(budget=weights() // 2)
    held.begin(BATCH)
    parts, _ = held.take(str(demo_model.WEIGHTS))
    assert held.memory()[0] == 0
    for stage in ((parts.text_encoder, parts.text_encoder_2), (parts.unet,), (parts.vae,)):
        with held.using(*stage):
            assert held.memory()[0] == sum(map(bytes_of, stage))
        assert held.memory()[0] == 0


def test_a_visit_leaves_weights_where_and_as_they_were() -> None:
    """Inside they are on the other device; the very same tensors are back afterwards, also after an error."""
    from garret.service_runtime.engine.visit import visiting

    layer = torch.nn.Linear(2, 2)
    before = [(parameter.data_ptr(), parameter.tolist()) for parameter in layer.parameters()]

    def fail() -> None:
        with visiting([layer], lambda weight: weight + 1):
            assert layer.bias.tolist() == pytest.approx([value + 1 for value in before[1][1]])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [(parameter.data_ptr(), parameter.tolist()) for parameter in layer.parameters()] == before


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[Any, Any]]:
    """One engine with all the memory it wants, and one with too little for a checkpoint."""
    from garret.service_runtime.engine.sdxl import SdxlEngine, Tuning

    roomy = SdxlEngine("cpu", demo_model.CONFIG)
    short = SdxlEngine("cpu", demo_model.CONFIG, Tuning(memory_bytes=weights() // 2))
    yield roomy, short
    roomy.close()
    short.close()


def test_low_vram_mode_makes_the_same_picture_and_says_so(engines: tuple[Any, Any]) -> None:
    """In the picture's notes and in the engine's facts; seams of tiles are all that may differ."""
    batch = other(BATCH, width=128, height=128, steps=4)
    roomy, short = (next(event for event in engine.run(batch) if isinstance(event, Image)) for engine in engines)
    assert (roomy.notes.get("Mode"), short.notes["Mode"]) == (None, "low-vram")
    assert [engine.facts()["mode"] for engine in engines] == ["normal", "low-vram"]
    first, second = (numpy.frombuffer(image.rgb, numpy.uint8).astype(int) for image in (roomy, short))
    assert abs(first - second).mean() < 2
    assert engines[1].facts()["memory_total"] == weights() // 2


def test_a_full_device_is_told_in_numbers() -> None:
    """How much more was asked for, how much there is; not where PyTorch says none."""
    from garret.service_runtime.engine.sdxl import shortage

    said = "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 22.06 GiB of which 1 MiB"
    told = shortage(said, 20 << 30, 22 << 30, "low-vram")
    assert told.endswith("in low-vram mode: 2.50 GiB more were asked for, with 20.00 of 22.00 GiB in use")
    said = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000 bytes. Error code 12"
    assert "4000000000 bytes more" in shortage(said, 1 << 30, 0, "normal")
    assert shortage("", 1 << 30, 0, "normal").endswith("in normal mode, with 1.00 GiB in use")
