"""The demo upscaler: nearer to the truth than arithmetic on pictures that its training never saw, and trainable."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from garret.demo_model import UPSCALER
from garret.service_runtime.asked import Upscale
from garret.service_runtime.safetensors_header import read_header
from garret.service_runtime.tensor_families import family_of, why_useless

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

from PIL import Image  # noqa: E402

from garret.demo_model.shapes import Pixels  # noqa: E402
from garret.service_runtime.engine.upscale import Enlarger  # noqa: E402
from training.demo_model import train_upscaler  # noqa: E402
from training.demo_model.train_upscaler import REDUCTIONS, drawing, plain_drawing, smaller  # noqa: E402


def nearness(picture: Pixels, truth: Pixels) -> float:
    """Return the peak signal-to-noise ratio in dB."""
    error = np.square(picture.astype(float) - truth).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-3)))


def by_lanczos(small: Pixels) -> Pixels:
    """Return a picture twice as large by arithmetic."""
    height, width = small.shape[:2]
    return np.asarray(Image.fromarray(small).resize((2 * width, 2 * height), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("kind", ["what the demo model draws", "many shapes, colours that run"])
def test_it_beats_lanczos_on_what_it_never_saw(kind: str) -> None:
    """Each of them, whichever of four ways made it smaller, and by 3 dB on average of either kind."""
    random = np.random.default_rng(2024)
    enlarger, gains = Enlarger(torch.device("cpu"), torch.float32), []
    with torch.no_grad():
        for number in range(16):
            draw = plain_drawing if kind.startswith("what") else partial(drawing, unseen=True)
            truth = draw(random, 128)
            small = smaller(truth, REDUCTIONS[number % len(REDUCTIONS)])
            ours = enlarger.apply(small, Upscale(upscaler="demo-2x"), (str(UPSCALER),), lambda _: None)
            gains.append(nearness(ours, truth) - nearness(by_lanczos(small), truth))
    assert np.mean(gains) > 3
    assert min(gains) > 0


def test_it_is_small_and_known_for_what_it_is() -> None:
    """A compact network, of which a node can tell that it is one."""
    assert UPSCALER.stat().st_size < 400_000
    family = family_of(read_header(UPSCALER))
    assert family == "compact"
    assert why_useless("upscaler", family) == ("", "")


def test_it_is_trained_by_a_script(tmp_path: Path) -> None:
    """Which begins as interpolation, gets nearer, and goes on where it was; its file is of the kind that nodes know."""
    options = ["--kept", "8", "--output", str(tmp_path)]
    train_upscaler.main(["--steps", "1", *options])
    before = read_header(tmp_path / "demo-2x.safetensors")
    train_upscaler.main(["--steps", "2", "--resume", *options])
    assert read_header(tmp_path / "demo-2x.safetensors").tensors == before.tensors
    assert family_of(before) == "compact"
