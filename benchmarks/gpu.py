"""What a GPU's time becomes: one call of a few minutes on a machine with one, and a polite line without.

Full-size SDXL, 1024 x 1024, 30 Euler steps, guidance, random non-zero weights, half precision; text, UNet, VAE and the
way to the host included. Beside ours, in turns: diffusers' stock pipeline, and the fastest recipe its documentation
has (channels_last, joined attention, torch.compile with max-autotune for UNet and decoder, a VAE that stands half
precision). Reports: compute efficiency, both speed-ups, the latents' error, and compiling cold against warm.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.full_size import write_configuration, write_file
from benchmarks.report import Report
from garret.service_runtime.batch import Batch, Picture, Used
from garret.service_runtime.engine.base import Image, Rest
from garret.service_runtime.request import ImageRequest

TFLOP_PER_IMAGE = 416.4
"""Twice 30 UNet forwards, the decoder and the text encoders; see torch.utils.flop_counter."""
SIDE, STEPS, CFG, ROUNDS, STREAM = 1024, 30, 5.0, 5, 4
PROMPT, NEGATIVE = "a lighthouse on a cliff at dusk, oil on canvas", "blurry"


def measure() -> list[Report]:
    """Everything, or nothing where there is no GPU."""
    import torch

    if not torch.cuda.is_available():
        print("gpu: there is no GPU here, so nothing was measured", flush=True)
        return []
    with tempfile.TemporaryDirectory(prefix="garret-gpu-") as name:
        folder = Path(name)
        configuration = write_configuration(folder / "configs")
        _without_upcast(configuration)
        checkpoint = folder / "full.safetensors"
        write_file(checkpoint, configuration)
        compiling = _compiling(folder, checkpoint, configuration)
        return [*_speed(folder, checkpoint, configuration), compiling]


def setup_once(arguments: list[str]) -> None:
    """In a process of its own: set an engine up with a folder for compiled code, and print the seconds."""
    from garret.service_runtime.engine.lean import import_lean

    import_lean()
    from garret.service_runtime.engine.sdxl import SdxlEngine, Tuning

    checkpoint, configuration, compiled, setting = arguments
    started = time.perf_counter()
    engine = SdxlEngine("cuda:0", Path(configuration), Tuning(compile=setting, compiled_dir=Path(compiled)))
    engine.setup(Path(checkpoint))
    print(json.dumps({"seconds": time.perf_counter() - started, **engine.facts()}), flush=True)


def _compiling(folder: Path, checkpoint: Path, configuration: Path) -> Report:
    """Seconds that compiling adds to a start, without a cache and with the one that was saved; bound: a tenth."""

    def seconds(compiled: str, setting: str) -> float:
        program = "import sys; from benchmarks.gpu import setup_once; setup_once(sys.argv[1:])"
        command = [sys.executable, "-c", program, str(checkpoint), str(configuration), str(folder / compiled), setting]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return float(json.loads(done.stdout.splitlines()[-1])["seconds"])

    seconds("none", "off")
    plain = seconds("none", "off")
    cold = seconds("compiled", "on") - plain
    # The saved file alone counts: what a baked image brings.
    subprocess.run(["rm", "-rf", str(folder / "compiled" / "inductor")], check=True)
    warm = [seconds("compiled", "on") - plain for _ in range(2)]
    gigabytes = checkpoint.stat().st_size / 1e9
    notes: dict[str, object] = {"seconds to load without compiling": plain, "GB of weights": gigabytes}
    return Report("gpu_compile", "compiling warm / cold", warm, [cold], at_most=0.1, notes=notes)


def _speed(folder: Path, checkpoint: Path, configuration: Path) -> list[Report]:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    stock = _pipeline(checkpoint, configuration, torch.float16, upcast=True)
    errors = _errors(folder, checkpoint, configuration, stock)
    recipe = _recipe(checkpoint, configuration)
    engine = _engine(folder, checkpoint, configuration)
    ours: Callable[[], float] = lambda: _stream(engine, checkpoint)  # noqa: E731
    theirs = {"stock": lambda: _timed(stock), "recipe": lambda: _timed(recipe)}
    for warm_up in (ours, *theirs.values(), ours, *theirs.values()):
        warm_up()
    samples: dict[str, list[float]] = {"ours": [], "stock": [], "recipe": []}
    rates = []
    for number in range(ROUNDS):
        turn = [("ours", ours), *theirs.items()]
        for name, one in turn if number % 2 else reversed(turn):
            samples[name].append(one())
        rates.append(_gemm())
    torch.cuda.synchronize()
    return _reports(samples, rates, errors, torch.cuda.get_device_name(), engine.facts())


def _reports(samples: Any, rates: list[float], errors: dict[str, float], name: str, facts: Any) -> list[Report]:
    notes: dict[str, object] = {"device": name, "engine": dict(facts), "unit": "seconds per image", **errors}
    ours = samples["ours"]
    reached = [TFLOP_PER_IMAGE / seconds for seconds in ours]
    peers = {"gpu_stock": ("stock", 1 / 2.2), "gpu_recipe": ("recipe", 1 / 1.25)}
    return [
        Report("gpu_efficiency", "TFLOP/s of pictures / of a GEMM", reached, rates, at_least=0.60, notes=notes),
        *(
            Report(report, f"ours / {peer}, seconds per image", ours, samples[peer], at_most=bound, notes=notes)
            for report, (peer, bound) in peers.items()
        ),
        Report(
            "gpu_error",
            "latents' error against fp32: ours / stock fp16",
            [errors["our error"]],
            [errors["stock error"]],
            at_most=1.2,
            notes=notes,
        ),
    ]


def _without_upcast(configuration: Path) -> None:
    """Say of the VAE that it stands half precision, as the service's own choice of VAE does."""
    path = configuration / "vae" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "force_upcast": False}))


def _pipeline(checkpoint: Path, configuration: Path, dtype: Any, upcast: bool) -> Any:
    from diffusers import StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline.from_single_file(
        str(checkpoint), config=str(configuration), local_files_only=True, torch_dtype=dtype, add_watermarker=False
    ).to("cuda")
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.register_to_config(force_upcast=upcast)
    return pipeline


def _recipe(checkpoint: Path, configuration: Path) -> Any:
    import torch

    pipeline = _pipeline(checkpoint, configuration, torch.float16, upcast=False)
    pipeline.fuse_qkv_projections()
    for name in ("unet", "vae"):
        getattr(pipeline, name).to(memory_format=torch.channels_last)
    pipeline.unet = torch.compile(pipeline.unet, mode="max-autotune", fullgraph=True)
    pipeline.vae.decode = torch.compile(pipeline.vae.decode, mode="max-autotune", fullgraph=True)
    return pipeline


def _draw(pipeline: Any, seed: int, **more: Any) -> Any:
    import torch

    return pipeline(
        PROMPT,
        negative_prompt=NEGATIVE,
        num_inference_steps=STEPS,
        guidance_scale=CFG,
        height=SIDE,
        width=SIDE,
        generator=torch.Generator().manual_seed(seed),
        **more,
    ).images


def _timed(pipeline: Any) -> float:
    started = time.perf_counter()
    for seed in range(STREAM):
        _draw(pipeline, seed)
    return (time.perf_counter() - started) / STREAM


def _engine(folder: Path, checkpoint: Path, configuration: Path) -> Any:
    from garret.service_runtime.engine.sdxl import SdxlEngine, Tuning

    engine = SdxlEngine("cuda:0", configuration, Tuning(compiled_dir=folder / "compiled"))
    engine.setup(checkpoint)
    return engine


def _batch(checkpoint: Path, seed: int) -> Batch:
    request = ImageRequest(str(checkpoint), PROMPT, SIDE, SIDE, STEPS, CFG, seed, negative_prompt=NEGATIVE)
    return Batch(request, Used(str(checkpoint)), (Picture(PROMPT, NEGATIVE, seed),))


def _stream(engine: Any, checkpoint: Path) -> float:
    """Seconds per image of several requests one after another, each finished beside the next as a worker does."""
    started = time.perf_counter()
    made = []
    with ThreadPoolExecutor(1) as finisher:
        for seed in range(STREAM):
            for event in engine.run(_batch(checkpoint, seed)):
                if isinstance(event, Rest | Image):
                    made.append(finisher.submit(_finished, event))
        images = [image for one in made for image in one.result()]
    seconds = (time.perf_counter() - started) / STREAM
    assert all(isinstance(image, Image) for image in images)
    assert len({image.rgb for image in images}) == STREAM, "every seed makes its own picture"
    return seconds


def _finished(event: Rest | Image) -> list[Image]:
    return list(event.finish()) if isinstance(event, Rest) else [event]


def _errors(folder: Path, checkpoint: Path, configuration: Path, stock: Any) -> dict[str, float]:
    """Return the relative errors of final latents against full precision, ours and the stock pipeline's."""
    import torch

    from garret.service_runtime.engine.painting import Painting

    noise = torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=torch.Generator().manual_seed(1))
    full = _pipeline(checkpoint, configuration, torch.float32, upcast=False)
    exact, rounded = (
        _draw(full, 1, latents=one, output_type="latent").double() for one in (noise, noise.half().float())
    )
    del full
    torch.cuda.empty_cache()
    half = _draw(stock, 1, latents=noise.half(), output_type="latent").double()
    engine = _engine(folder, checkpoint, configuration)
    with torch.no_grad():
        ours = Painting(engine._workshop, _batch(checkpoint, 1)).paint(lambda _: None).double()
    engine.close()
    assert all(bool(latents.isfinite().all()) for latents in (exact, half, ours)), "random weights overflow"
    return {
        "our error": float((ours - exact).norm() / exact.norm()),
        "stock error": float((half - rounded).norm() / rounded.norm()),
    }


def _gemm(side: int = 8192, times: int = 20) -> float:
    """Return TFLOP/s of a half precision product of two square matrices of normal numbers."""
    import torch

    first, second = (torch.randn(side, side, device="cuda", dtype=torch.float16) for _ in range(2))
    for _ in range(3):
        first @ second
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(times):
        first @ second
    torch.cuda.synchronize()
    return float(2 * side**3 * times / (time.perf_counter() - started) / 1e12)
