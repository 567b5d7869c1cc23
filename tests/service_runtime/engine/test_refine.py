"""The refiner both ways: as diffusers' own two pipelines one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from garret import demo_model
from garret.service_runtime.asked import Hires, Refiner
from garret.service_runtime.batch import Batch, Picture, Used
from tests.service_runtime.asking import batch_of, other
from tests.service_runtime.engine.painted import difference, levels, pictures, plain_pipeline, plain_refiner, stages

torch = pytest.importorskip("torch")

ASKED = {"num_inference_steps": 4, "guidance_scale": 3.0}


class Bench(NamedTuple):
    """Our engine, diffusers' pipelines, and a batch that names the refiner's folder."""

    engine: Any
    base: Any
    refiner: Any
    batch: Batch


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The demo model with a random refiner."""
    from garret.service_runtime.engine.sdxl import SdxlEngine

    folder: Path = tmp_path_factory.mktemp("models") / "refiner"
    base = plain_pipeline()
    refiner = plain_refiner(base, folder)
    used = Used(str(demo_model.WEIGHTS), refiner=str(folder))
    batch = batch_of("", Picture("a red circle", "blue", 7), used=used, refiner=Refiner(switch_at=0.5))
    engine = SdxlEngine("cpu", demo_model.CONFIG)
    yield Bench(engine, base, refiner, batch)
    engine.close()


def test_it_finishes_what_the_base_began(bench: Bench) -> None:
    """As denoising_end and denoising_start with the same seed, with its own sizes and scores."""
    words = {"prompt": "a red circle", "negative_prompt": "blue"}
    begun = bench.base(
        **words, **ASKED, height=64, width=64, denoising_end=0.5, generator=seeded(7), output_type="latent"
    )
    scores = {"aesthetic_score": 8.0, "negative_aesthetic_score": 1.0}
    made = bench.refiner(
        **words, **ASKED, **scores, image=begun.images, denoising_start=0.5, generator=seeded(7), output_type="np"
    )
    refiner = Refiner(switch_at=0.5, **scores)
    (ours,) = pictures(bench.engine, other(bench.batch, refiner=refiner))
    assert difference(ours, levels(made)) <= 1
    (without,) = pictures(bench.engine, other(bench.batch, refiner=None))
    assert difference(ours, without) > 2
    (scored,) = pictures(bench.engine, other(bench.batch, refiner=Refiner(switch_at=0.5)))
    assert difference(ours, scored) > 0


def test_it_paints_again_over_what_is_finished(bench: Bench) -> None:
    """As image-to-image over the base's latents; of five levels 0.6 keeps three, which are two steps."""
    words = {"prompt": "a red circle", "negative_prompt": "blue"}
    generator = seeded(7)
    whole = bench.base(**words, **ASKED, height=64, width=64, generator=generator, output_type="latent")
    made = bench.refiner(**words, **ASKED, image=whole.images, strength=0.6, generator=generator, output_type="np")
    asked = other(bench.batch, refiner=Refiner(mode="again", strength=0.6))
    assert stages(bench.engine, asked) == ["denoise"] * 4 + ["refine"] * 2
    (ours,) = pictures(bench.engine, asked)
    assert difference(ours, levels(made)) <= 1


@pytest.mark.parametrize(
    ("refiner", "expected"),
    [
        (Refiner(switch_at=0.5), ["denoise"] * 2 + ["refine"] * 2),
        (Refiner(switch_at=0.0), ["refine"] * 4),
        (Refiner(switch_at=1.0), ["denoise"] * 4),
        (Refiner(switch_at=0.5, steps=8), ["denoise"] * 2 + ["refine"] * 4),
        (Refiner(switch_at=0.5, steps=5), ["denoise"] * 2 + ["refine"] * 3),
        (Refiner(mode="again", strength=0.0), ["denoise"] * 4),
        (Refiner(mode="again", strength=0.01), ["denoise"] * 4 + ["refine"]),
        (Refiner(mode="again", strength=0.5, steps=9), ["denoise"] * 4 + ["refine"] * 4),
    ],
)
def test_its_steps_are_counted_with_the_bases(bench: Bench, refiner: Refiner, expected: list[str]) -> None:
    """Also with steps of its own, and where one of the two has nothing to do."""
    assert stages(bench.engine, other(bench.batch, refiner=refiner)) == expected


def test_a_second_pass_is_finished_by_the_refiner(bench: Bench) -> None:
    """It belongs to the last pass; painting again comes after all others."""
    hires = Hires(scale=1.5, denoise=0.5, steps=4)
    batch = other(bench.batch, hires=hires)
    assert stages(bench.engine, batch) == ["denoise"] * 4 + ["hires"] * 2 + ["refine"] * 2
    again = other(batch, refiner=Refiner(mode="again", strength=0.6))
    assert stages(bench.engine, again) == ["denoise"] * 4 + ["hires"] * 4 + ["refine"] * 2


def test_what_levels_of_its_own_lack_in_noise_is_added(bench: Bench) -> None:
    """Where its steps fall between the base's, it begins at its next level above."""
    from garret.service_runtime.engine.courses import noises_of
    from garret.service_runtime.engine.refine import continued, join
    from garret.service_runtime.engine.walks import Walks

    noises = noises_of(bench.batch, torch.device("cpu"))
    parts, _ = bench.engine._residency.take(str(demo_model.WEIGHTS))
    walks = Walks(bench.batch.request, noises, torch.device("cpu"))
    level = walks.build(parts, 4, end=0.5).sigmas[-1]
    same, finer = continued(walks, parts, 4, level), continued(walks, parts, 9, level)
    assert same.sigmas[0] == pytest.approx(level)
    assert finer.sigmas[0] > level
    latents = torch.randn(1, 4, 64, 64, generator=seeded(1)) * level
    assert join(same, latents, level, noises) is latents
    assert float(join(finer, latents, level, noises).std()) == pytest.approx(finer.sigmas[0], rel=0.03)


def test_a_picture_is_the_same_alone_and_in_a_batch(bench: Bench) -> None:
    """With a refiner and a sampler that draws noise in both models' steps."""
    pair = (Picture("a red circle", "", 1), Picture("a green star", "blue", 2))
    for refiner in (Refiner(switch_at=0.5), Refiner(mode="again", strength=0.6)):
        batch = other(bench.batch, sampler="Euler a", refiner=refiner, pictures=pair)
        together = pictures(bench.engine, batch)
        for index, picture in enumerate(pair):
            (alone,) = pictures(bench.engine, other(batch, pictures=(picture,)))
            assert difference(together[index], alone) <= 2


def seeded(seed: int) -> Any:
    """Return a generator on the CPU."""
    return torch.Generator().manual_seed(seed)
