"""What makes the same pictures sooner, as far as that can be tried without a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret import demo_model
from garret.service_runtime.asked import Shortcuts
from garret.service_runtime.batch import Picture
from garret.service_runtime.engine.base import Image
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.settings import ServiceSettings
from tests.service_runtime.asking import batch_of

torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")

CPU = torch.device("cpu")


class Again:
    """Stands in for a CUDA graph: runs the function again and puts its result where the first one was."""

    made: int = 0

    def __init__(self, function: Callable[[], Any]) -> None:
        type(self).made += 1
        self._function = function
        self.result = function().clone()

    def replay(self) -> None:
        """Run again."""
        self.result.copy_(self._function())


def record(function: Callable[[], Any]) -> tuple[Again, Any]:
    """Record a function as the engine would have a graph recorded."""
    again = Again(function)
    return again, again.result


@pytest.fixture(scope="module")
def parts() -> Any:
    """The demo model's parts."""
    from garret.service_runtime.engine.parts import load

    return load(demo_model.WEIGHTS, demo_model.CONFIG, CPU, torch.float32)


def asked(unet: Any, side: int = 8, seed: int = 1) -> dict[str, Any]:
    """Return what a UNet is asked at one step, for two rows of this size."""
    generator = torch.Generator().manual_seed(seed)
    sizes = {"sample": (2, 4, side, side), "encoder_hidden_states": (2, 77, unet.config.cross_attention_dim)}
    told = {name: torch.randn(size, generator=generator) for name, size in sizes.items()}
    pooled = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
    added = {"text_embeds": torch.randn(2, pooled, generator=generator), "time_ids": torch.full((2, 6), 64.0)}
    return {**told, "timestep": torch.tensor(500.0 + seed), "added_cond_kwargs": added, "return_dict": False}


def answer(unet: Any, **told: Any) -> Any:
    """Return a copy of the UNet's answer."""
    with torch.no_grad():
        return unet(**told)[0].clone()


def test_joined_attention_gives_the_same_answers(parts: Any) -> None:
    """Up to rounding, and also after a weight was changed in place, as LoRAs do; joining twice joins once."""
    from garret.service_runtime.engine.fused import attentions_of, fuse, part

    unet, told = parts.unet, asked(parts.unet)
    before = answer(unet, **told)
    fuse(unet)
    first = attentions_of(unet)[0]
    place = first.to_k.weight.data_ptr()
    fuse(unet)
    assert first.to_k.weight.data_ptr() == place
    assert torch.allclose(answer(unet, **told), before, atol=1e-4)
    original = first.to_v.weight.data.clone()
    first.to_v.weight.data.mul_(1.5)
    changed = answer(unet, **told)
    assert not torch.allclose(changed, before, atol=1e-4)
    part(unet)
    assert torch.allclose(answer(unet, **told), changed, atol=1e-4)
    first.to_v.weight.data.copy_(original)
    assert torch.allclose(answer(unet, **told), before, atol=1e-4)


def test_attention_to_words_as_wide_as_the_picture_stays_that() -> None:
    """Widths do not tell what an attention looks at."""
    from diffusers.models.attention_processor import Attention

    from garret.service_runtime.engine.fused import fuse

    both = torch.nn.ModuleList([Attention(16, words, heads=2, dim_head=8) for words in (None, 16)])
    states, told = torch.randn(1, 4, 16), torch.randn(1, 6, 16)
    with torch.no_grad():
        before = both[0](states), both[1](states, told)
        fuse(both)
        after = both[0](states), both[1](states, told)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(before, after, strict=True))


def test_a_size_that_comes_again_is_recorded_and_replayed(parts: Any) -> None:
    """With other inputs and other weights in the same place; four sizes are kept, and none when weights have moved."""
    from garret.service_runtime.engine.graphs import Graphed

    unet = parts.unet
    plain = unet.forward
    expected = {seed: answer(unet, **asked(unet, seed=seed)) for seed in (1, 2, 3, 4)}
    graphed = Graphed(unet, record)
    try:
        graphed.refresh()
        Again.made = 0
        for seed in (1, 2, 3, 4, 1):
            assert torch.equal(answer(unet, **asked(unet, seed=seed)), expected[seed])
        assert (Again.made, len(list(graphed))) == (1, 1)
        graphed.refresh()
        weight = unet.conv_in.weight.data
        weight.mul_(2)
        other_weights = answer(unet, **asked(unet))
        weight.div_(2)
        assert not torch.allclose(other_weights, expected[1])
        for side in (16, 24, 8, 32, 40):
            for _ in range(3):
                answer(unet, **asked(unet, side))
        assert len(list(graphed)) == 4
        unet.conv_in.weight.data = weight.clone()
        graphed.refresh()
        assert list(graphed) == []
        graphed.refresh(on=False)
        for _ in range(4):
            assert torch.equal(answer(unet, **asked(unet)), expected[1])
        assert list(graphed) == []
    finally:
        unet.forward = plain


def test_pictures_are_the_same_with_recordings() -> None:
    """A whole batch through the engine's own loop, twice, with what a GPU would do in its place."""
    from garret.service_runtime.engine.residency import Residency
    from garret.service_runtime.engine.sdxl import SdxlEngine
    from garret.service_runtime.engine.speedups import Speedups

    batch = batch_of(demo_model.WEIGHTS, Picture("a red circle", "", 1), steps=4)
    engine = SdxlEngine("cpu", demo_model.CONFIG)
    first = next(event for event in engine.run(batch) if isinstance(event, Image))
    engine.close()
    held = Residency(CPU, torch.float32, demo_model.CONFIG, speedups=Speedups(CPU, "off", record=record))
    fast = SdxlEngine("cpu", demo_model.CONFIG, residency=held)
    Again.made = 0
    for _ in range(2):
        second = next(event for event in fast.run(batch) if isinstance(event, Image))
    low = next(event for event in fast.run(replace(batch, memory="low")) if isinstance(event, Image))
    fast.close()
    assert Again.made == 1
    pixels = [numpy.frombuffer(image.rgb, numpy.uint8).astype(int) for image in (first, second, low)]
    assert abs(pixels[0] - pixels[1]).max() <= 2
    assert abs(pixels[0] - pixels[2]).mean() < 2


def test_a_checkpoint_that_is_let_go_leaves_the_memory() -> None:
    """Nothing that makes it fast holds on to it."""
    from garret.service_runtime.engine.residency import Residency
    from garret.service_runtime.engine.speedups import Speedups

    held = Residency(CPU, torch.float32, demo_model.CONFIG, speedups=Speedups(CPU, "off", record=record))
    parts, loras = held.take(str(demo_model.WEIGHTS))
    unet = weakref.ref(parts.unet)
    for _ in range(3):
        answer(parts.unet, **asked(parts.unet))
    del parts, loras
    held.unload()
    assert unet() is None


def test_regions_are_told_to_compile(parts: Any) -> None:
    """Transformer and residual blocks, and nothing else; nothing is compiled before it is used."""
    from garret.service_runtime.engine.compiled import REGIONS, compile_regions, wants_compiling

    told = compile_regions(parts.vae)
    compiled = [module for module in parts.vae.modules() if module._compiled_call_impl is not None]
    assert told == len(compiled) > 4
    assert {type(module).__name__ for module in compiled} <= set(REGIONS)
    for module in compiled:
        module._compiled_call_impl = None
    wants = [
        wants_compiling(setting, torch.device(kind)) for setting in ("auto", "on", "off") for kind in ("cpu", "cuda")
    ]
    assert wants == [False, True, True, True, False, False]


@pytest.fixture
def inductor() -> Iterator[None]:
    """Leave the compiler's folder as it was."""
    before = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    yield
    os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)
    if before is not None:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = before


def test_what_was_compiled_is_kept_and_found_again(tmp_path: Path, inductor: None) -> None:
    """In one file for this torch and device, written once; a baked image's is read where there is none."""
    from garret.service_runtime.engine.compiled import CompileCache, fingerprint_of

    name = fingerprint_of(CPU, torch.float32)
    assert name != fingerprint_of(CPU, torch.float16)
    mine, baked = tmp_path / "mine", tmp_path / "baked"
    loaded: list[bytes] = []
    first = CompileCache(baked, None, name)
    first.use()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"].startswith(str(baked))
    assert first.load(loaded.append) is False
    assert first.save(lambda: None) is False
    assert [first.save(lambda: (b"compiled", None)) for _ in range(2)] == [True, False]
    second = CompileCache(mine, baked, name)
    assert second.load(loaded.append) is True
    assert (loaded, second.save(lambda: (b"compiled", None)), second.path.exists()) == ([b"compiled"], False, False)
    assert second.save(lambda: (b"more", None)) is True
    assert (second.path.read_bytes(), first.path.read_bytes()) == (b"more", b"compiled")

    def refuse(data: bytes) -> None:
        raise RuntimeError("made by another torch")

    assert CompileCache(mine, baked, name).load(refuse) is False


def test_eight_bits_keep_three_of_a_number(parts: Any) -> None:
    """E4M3 has three bits after the point: no value is off by more than a sixteenth of itself or a bit of its row."""
    from garret.service_runtime.engine.fp8 import fits, to_eight_bits

    values = torch.randn(64, 512, generator=torch.Generator().manual_seed(1))
    kept, scale = to_eight_bits(values)
    error = (kept.float() * scale - values).abs()
    assert bool((error <= values.abs() / 16 + scale / 512).all())
    assert not any(fits(layer) for layer in parts.unet.modules() if isinstance(layer, torch.nn.Linear))
    assert fits(torch.nn.Linear(640, 5120, device="meta"))


def test_eight_bits_are_refused_where_the_device_has_none() -> None:
    """Before anything is loaded, with the field's name and what could do it."""
    from garret.service_runtime.engine.sdxl import SdxlEngine

    engine = SdxlEngine("cpu", demo_model.CONFIG)
    batch = batch_of(demo_model.WEIGHTS, Picture("a red circle", "", 1), shortcuts=Shortcuts(fp8=True))
    with pytest.raises(BadRequest, match=r"shortcuts.fp8: this device has no 8-bit floating point"):
        list(engine.run(batch))
    assert engine.loaded() == ()
    engine.close()


def test_compiling_ahead_without_a_gpu_says_so(tmp_path: Path) -> None:
    """A bake on a machine without one goes on."""
    environment = os.environ | ServiceSettings(state_dir=tmp_path, device="cpu").to_env()
    command = [sys.executable, "-m", "garret.service_runtime.warm", str(tmp_path / "compiled")]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("nothing is compiled here: this machine has no GPU")
    assert not (tmp_path / "compiled").exists()
