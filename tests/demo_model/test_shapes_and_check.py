"""The drawings of the demo model's vocabulary and the check that recognises them."""

from __future__ import annotations

import numpy as np
import pytest

from garret.demo_model.check import Seen, check_picture, matches, parse
from garret.demo_model.shapes import (
    CAPTION_FORMS,
    COLOURS,
    POSITIONS,
    SHAPES,
    SIZES,
    Pixels,
    Scene,
    caption,
    combinations,
    draw,
    held_out,
    random_caption,
    random_scene,
)

PARTS = ("foreground", "background", "shape", "size", "position")


def disturbed(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Return the picture blurred a little, off in colour and noisy, as a model's pictures are."""
    soft = picture.astype(float)
    for axis in (0, 1):
        soft = (np.roll(soft, 1, axis) + soft + np.roll(soft, -1, axis)) / 3
    noisy = soft + random.uniform(-12, 12, 3) + random.normal(0, 10, soft.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (256, 256), (128, 192), (192, 128), (512, 512)])
def test_the_check_knows_true_drawings(height: int, width: int) -> None:
    """The check names every part of every true drawing, clean or disturbed."""
    random = np.random.default_rng(height + width)
    for number in range(40):
        scene = random_scene(random, unseen=bool(number % 2))
        picture = draw(scene, height, width, random)
        for shown in (picture, disturbed(picture, random)):
            seen = check_picture(shown)
            assert [getattr(seen, part) for part in PARTS] == [getattr(scene, part) for part in PARTS]


def test_the_check_refuses_other_drawings() -> None:
    """A picture of one combination never passes for a prompt about another."""
    random = np.random.default_rng(5)
    for _ in range(40):
        shown, asked = (random_scene(random, unseen=True) for _ in range(2))
        same = (shown.foreground, shown.background, shown.shape) == (asked.foreground, asked.background, asked.shape)
        assert matches(caption(asked), draw(shown, 128, 128, random)) == same


def test_the_check_sees_no_shape_in_spoiled_pictures() -> None:
    """Noise, an empty picture, a half plane and two shapes at once have no shape's name."""
    random = np.random.default_rng(6)
    noise = random.integers(0, 256, (128, 128, 3)).astype(np.uint8)
    half = np.full((128, 128, 3), 248, np.uint8)
    half[:, :64] = COLOURS["red"]
    left = draw(Scene("red", "white", "star", position="on the left"), 128, 128)
    right = draw(Scene("red", "white", "ring", position="on the right"), 128, 128)
    for picture in (noise, half, np.minimum(left, right)):
        assert check_picture(picture).shape is None
    assert check_picture(np.full((64, 64, 3), 248, np.uint8)) == Seen(None, "white", None)


def test_every_caption_is_understood() -> None:
    """Every caption that training uses is read back as the scene that it describes."""
    random = np.random.default_rng(7)
    for _ in range(300):
        scene = random_scene(random, unseen=False)
        read = parse(random_caption(scene, random))
        assert (read.foreground, read.shape, read.size, read.position) == (
            scene.foreground,
            scene.shape,
            scene.size,
            scene.position,
        )
        assert read.background == scene.background or (read.background == "" and scene.background == "white")


def test_prompts_in_other_words_are_read() -> None:
    """A prompt that leaves things open is checked for what it says and refused when it says nothing."""
    red = draw(Scene("red", "blue", "circle"), 64, 64)
    assert parse("A red circle on a blue background") == Scene("red", "blue", "circle")
    assert matches("a red circle", red)
    assert matches("a blue background", red)
    assert not matches("a small red circle", red, placement=True)
    with pytest.raises(ValueError, match="nothing"):
        matches("a cat", red)


def test_a_fixed_fifth_is_held_out() -> None:
    """About a fifth of the combinations is held out, always the same ones, of every shape and colour."""
    unseen = [choice for choice in combinations() if held_out(*choice)]
    assert 0.15 < len(unseen) / len(combinations()) < 0.25
    assert {shape for _, _, shape in unseen} == set(SHAPES)
    assert {fore for fore, _, _ in unseen} == {back for _, back, _ in unseen} == set(COLOURS)
    random = np.random.default_rng(8)
    for hidden in (True, False):
        scene = random_scene(random, unseen=hidden)
        assert held_out(scene.foreground, scene.background, scene.shape) is hidden
    assert held_out(*unseen[0])


def test_captions_read_well() -> None:
    """Captions use the right article and name the size and the place where there are any."""
    assert caption(Scene("orange", "red", "star")) == "an orange star on a red background"
    scene = Scene("blue", "orange", "ring", "small", "at the top")
    assert caption(scene) == "a small blue ring at the top on an orange background"
    assert caption(scene, CAPTION_FORMS[-1]) == "an orange background with a small blue ring at the top"
    assert set(SIZES) == {"", "small", "large"}
    assert "" in POSITIONS
