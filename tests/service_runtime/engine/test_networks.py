"""The networks that enlarge, held against spandrel 0.4.2, which has all of them, on the same weights and picture.

Its answers are written down here: it needs torchvision, whose wheel on PyPI does not load beside a CPU build of torch.
"""

from __future__ import annotations

import pytest

from garret.service_runtime.upscaler_file import network_of, passes
from tests.service_runtime.networks import KINDS, compact, numbered, real, values_of

torch = pytest.importorskip("torch")

# Mean, deviation, and the three colours of the pixel at row 1, column 2.
SPANDREL = {
    "real4": (0.0007080819660119334, 0.05548546198944648, (0.073343, -0.065011, -0.007076)),
    "real2": (-0.017763580530299805, 0.04816621783384131, (-0.018349, 0.039486, -0.078365)),
    "real1": (-0.01652058740081783, 0.04822568883926325, (-0.018332, 0.039528, -0.078302)),
    "first4": (-0.018442770230144054, 0.04813918175554274, (-0.018349, 0.039483, -0.078369)),
    "num4": (-0.018442770230144054, 0.04813918175554274, (-0.018349, 0.039483, -0.078369)),
    "num2": (0.020969483920554113, 0.06391840066070664, (0.078864, -0.068145, 0.052214)),
    "num1": (-0.0014450928041090567, 0.057377549799027525, (-0.047241, 0.079152, -0.035867)),
    "num8": (-0.0018091078961030387, 0.06056573947588281, (-0.067418, -0.016765, 0.078675)),
    "compact2": (0.4992808007825968, 0.3577950493802757, (0.863072, 0.070866, 0.527769)),
    "compact4": (0.49342584062888917, 0.3577130314405869, (0.441679, 0.082679, 0.880544)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_answers_as_in_the_library_of_all_of_them(kind: str) -> None:
    """Every spelling of names, every factor."""
    from garret.service_runtime.engine.networks import build

    make, scale = KINDS[kind]
    shapes = make()
    network = network_of(shapes)
    assert network is not None
    assert network.scale == scale
    weights = {name: torch.tensor(values).reshape(shapes[name]) for name, values in values_of(shapes).items()}
    wave = torch.sin(torch.arange(3 * 8 * 12, dtype=torch.float64) * 0.7) / 2 + 0.5
    made = build(network, weights)(wave.reshape(1, 3, 8, 12).float()).double()
    mean, deviation, pixel = SPANDREL[kind]
    assert made.shape == (1, 3, 8 * scale, 12 * scale)
    assert float(made.mean()) == pytest.approx(mean, abs=1e-5)
    assert float(made.std()) == pytest.approx(deviation, abs=1e-5)
    assert made[0, :, 1, 2].tolist() == pytest.approx(pixel, abs=1e-5)


def test_what_only_looks_like_one_is_none() -> None:
    """A tensor more, one less, or another number of channels: the network would be another one."""
    for shapes in (real(3), numbered(2), compact(2)):
        name = next(reversed(shapes))
        assert network_of({key: shape for key, shape in shapes.items() if key != name}) is None
        assert network_of({**shapes, "extra.weight": (1,)}) is None
    assert network_of(real(4)) is None
    assert network_of({**compact(2), "body.6.weight": (10, 8, 3, 3)}) is None
    assert network_of({}) is None


def test_a_network_goes_over_a_picture_until_it_is_large_enough() -> None:
    """Once at least, thrice at most, once where it does not enlarge at all."""
    small = (100, 50)
    assert passes(4, small, (50, 25)) == passes(4, small, (400, 200)) == 1
    assert passes(2, small, (201, 100)) == 2
    assert passes(2, small, (800, 400)) == passes(2, small, (1600, 800)) == 3
    assert passes(1, small, (400, 200)) == 1
