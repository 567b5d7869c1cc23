"""Words as the demo model's text encoders read them, held against diffusers' own encode_prompt."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from garret import demo_model
from garret.service_runtime.batch import Picture, Used
from garret.service_runtime.errors import BadRequest, ModelError
from tests.service_runtime.asking import ask
from tests.service_runtime.engine.test_clip import own_name

torch = pytest.importorskip("torch")

CPU = torch.device("cpu")
EXACT = 1e-6
"""How far apart sums in another order may be."""


@pytest.fixture(scope="module")
def pipeline() -> Any:
    """Diffusers' own pipeline."""
    from diffusers import StableDiffusionXLPipeline

    return StableDiffusionXLPipeline.from_single_file(
        str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), local_files_only=True, add_watermarker=False
    )


@dataclass(frozen=True)
class Reading:
    """What of a model's parts reads words."""

    text_encoder: Any
    text_encoder_2: Any
    tokenizer: Any
    tokenizer_2: Any
    config: dict[str, Any]
    dtype: Any = torch.float32


@pytest.fixture(scope="module")
def parts(pipeline: Any) -> Reading:
    """The same weights in our own encoders, beside our own tokenizers."""
    from garret.service_runtime.engine.clip import TextEncoder
    from garret.service_runtime.engine.tokenizer import Tokenizer

    encoders = []
    for theirs in (pipeline.text_encoder, pipeline.text_encoder_2):
        encoders.append(TextEncoder(theirs.config.to_dict()))
        encoders[-1].load_state_dict({own_name(key): value for key, value in theirs.state_dict().items()})
    tokenizers = [Tokenizer(demo_model.CONFIG / name) for name in ("tokenizer", "tokenizer_2")]
    return Reading(*encoders, *tokenizers, dict(pipeline.config))


@pytest.fixture
def encoder() -> Any:
    """An encoder of words that has read nothing."""
    from garret.service_runtime.engine.words import WordEncoder

    return WordEncoder()


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    """As the engine works."""
    with torch.no_grad():
        yield


def told(encoder: Any, parts: Any, prompt: str = "", negative: str = "", step: int = 0, **changes: Any) -> Any:
    """Return what one picture is told at a step of four."""
    used = Used("demo", embeddings=changes.pop("embeddings", ()))
    more = {name: changes.pop(name) for name in ("steps", "first_steps", "changes") if name in changes}
    words = encoder.encode(parts, [Picture(prompt, negative, 1)], ask(**changes), used, CPU, **more)
    (picture,) = words.at(step, more.get("steps", 4)).pictures
    return picture


def plain(pipeline: Any, prompt: str, **options: Any) -> tuple[Any, Any]:
    """Return a text's embeddings [tokens, width] and its pooled state, as diffusers reads it."""
    embeds, _, pooled, _ = pipeline.encode_prompt(
        prompt=prompt, device=CPU, do_classifier_free_guidance=False, **options
    )
    return embeds[0], pooled[0]


def same(text: Any, expected: tuple[Any, Any], within: float = EXACT) -> bool:
    """Say whether a text was read as expected."""
    embeds, pooled = expected
    assert text.embeds.shape == embeds.shape
    return bool((text.embeds - embeds).abs().max() < within and (text.pooled - pooled).abs().max() < within)


@pytest.mark.parametrize(
    "prompt",
    ["a red circle", "", "  a  red\ncircle, on blue: with! 3/4 stars & <b>", "red " * 75, "Ä ß 星 😀", "a|b: c"],
)
def test_a_short_prompt_is_read_as_diffusers_reads_it(encoder: Any, parts: Any, pipeline: Any, prompt: str) -> None:
    """On either side; and no negative words are zeros."""
    picture = told(encoder, parts, prompt)
    assert same(picture.texts[0], plain(pipeline, prompt))
    assert [text.weight for text in picture.texts] == [1.0]
    assert not picture.negative.embeds.any()
    assert not picture.negative.pooled.any()
    if prompt.strip():
        assert same(told(encoder, parts, "x", prompt).negative, plain(pipeline, prompt))


def test_no_words_are_the_empty_text_where_the_model_says_so(encoder: Any, parts: Any, pipeline: Any) -> None:
    """As SDXL's refiner does."""
    honest = replace(parts, config={**parts.config, "force_zeros_for_empty_prompt": False})
    assert same(told(encoder, honest, "a").negative, plain(pipeline, ""))


def test_a_refiner_reads_with_its_one_encoder(encoder: Any, parts: Any, pipeline: Any) -> None:
    """The second one of a base."""
    refiner = replace(parts, text_encoder=None, tokenizer=None)
    text = told(encoder, refiner, "a red circle").texts[0]
    embeds, pooled = plain(pipeline, "a red circle")
    assert same(text, (embeds[:, -text.embeds.shape[1] :], pooled))


def test_clip_skip_counts_from_the_last_state(encoder: Any, parts: Any, pipeline: Any) -> None:
    """1 and 2 are the last but one, 3 is diffusers' 1; more than there are layers is refused."""
    for clip_skip, theirs in ((1, None), (2, None), (3, 1)):
        picture = told(encoder, parts, "a star", "blue", clip_skip=clip_skip)
        assert same(picture.texts[0], plain(pipeline, "a star", clip_skip=theirs))
        assert same(picture.negative, plain(pipeline, "blue", clip_skip=theirs))
    with pytest.raises(BadRequest, match=r"clip_skip: 4: .* 3 layers"):
        told(encoder, parts, "a star", clip_skip=4)


def test_long_texts_are_chunks_side_by_side(encoder: Any, parts: Any, pipeline: Any) -> None:
    """Each as if it stood alone; the shorter text is filled up with empty ones; the first chunk is the pooled one."""
    picture = told(encoder, parts, "red " * 75 + "star " * 10 + "BREAK blue", "a circle")
    first, second, third, empty = (plain(pipeline, text) for text in ("red " * 75, "star " * 10, "blue", ""))
    assert same(picture.texts[0], (torch.cat([first[0], second[0], third[0]]), first[1]))
    negative = plain(pipeline, "a circle")
    assert same(picture.negative, (torch.cat([negative[0], empty[0], empty[0]]), negative[1]))


def test_a_picture_is_told_the_same_beside_others(encoder: Any, parts: Any) -> None:
    """Also when theirs is longer, and it needs no more tokens for that."""
    pictures = [Picture("a star", "", 1), Picture("red " * 100, "blue", 2), Picture("(a star:1.2)", "a [b|c]", 3)]
    together = encoder.encode(parts, pictures, ask(), Used("demo"), CPU).at(1, 4).pictures
    for picture, beside in zip(pictures, together, strict=True):
        alone = told(type(encoder)(), parts, picture.prompt, picture.negative_prompt, 1)
        assert same(beside.texts[0], (alone.texts[0].embeds, alone.texts[0].pooled))
        assert same(beside.negative, (alone.negative.embeds, alone.negative.pooled))
    assert [len(one.texts[0].embeds) for one in together] == [77, 154, 77]


def test_weights_keep_the_mean(encoder: Any, parts: Any, pipeline: Any) -> None:
    """Each encoder's states are multiplied and brought back to their mean; the pooled state stays."""
    embeds, pooled = plain(pipeline, "a red circle")
    weights = torch.ones(77, 1)
    weights[2] = 1.5
    width = parts.text_encoder.config["hidden_size"]
    halves = []
    for half in (embeds[:, :width], embeds[:, width:]):
        halves.append(half * weights * (half.mean() / (half * weights).mean()))
    expected = torch.cat(halves, dim=1), pooled
    # The mean of thousands of numbers around zero is known to fewer digits than they are.
    for prompt in ("a (red:1.5) circle", "((a (red:1.5) circle:0.5):2)"):
        assert same(told(encoder, parts, prompt).texts[0], expected, within=1e-5)


def test_words_change_at_their_steps(encoder: Any, parts: Any, pipeline: Any) -> None:
    """And as long as nothing changes, they are the same object."""
    picture = Picture("a [red:blue:0.5] star", "[|dull]", 1)
    words = encoder.encode(parts, [picture], ask(), Used("demo"), CPU)
    red, blue = plain(pipeline, "a red star"), plain(pipeline, "a blue star")
    for step, expected in enumerate((red, red, blue, blue)):
        assert same(words.at(step, 4).pictures[0].texts[0], expected)
        assert same(words.at(step, 4).pictures[0].negative, plain(pipeline, ("", "dull")[step % 2]))
    still = encoder.encode(parts, [Picture("a [red:blue:0.5] star", "", 1)], ask(), Used("demo"), CPU)
    assert still.at(0, 4) is still.at(1, 4) is not still.at(2, 4)
    # A sampler that asks twice in a step counts more of them.
    assert [still.at(step, 7) is still.at(0, 4) for step in range(7)] == [True] * 4 + [False] * 3


def test_a_second_pass_has_its_own_words_and_shares(encoder: Any, parts: Any, pipeline: Any) -> None:
    """Where it has none, it has the first one's."""
    picture = Picture("a [red:blue:1.5] star", "dull", 1)
    own = replace(picture, hires_prompt="a circle", hires_negative_prompt="grey")
    used = Used("demo")
    words = encoder.encode(parts, [picture, own], ask(), used, CPU, steps=6, first_steps=4)
    for step, colour in enumerate(("red", "red", "red", "blue", "blue", "blue")):
        first, second = words.at(step, 6).pictures
        assert same(first.texts[0], plain(pipeline, f"a {colour} star"))
        assert same(second.texts[0], plain(pipeline, "a circle"))
        assert same(second.negative, plain(pipeline, "grey"))
    assert same(told(encoder, parts, "a [red:blue:1.5] star", step=3).texts[0], plain(pipeline, "a red star"))


def test_and_brings_several_texts(encoder: Any, parts: Any, pipeline: Any) -> None:
    """Each with its weight, all of one length."""
    picture = told(encoder, parts, "a star AND " + "blue " * 80 + ":0.5")
    assert [text.weight for text in picture.texts] == [1.0, 0.5]
    assert {len(text.embeds) for text in (*picture.texts, picture.negative)} == {154}
    star, empty = plain(pipeline, "a star "), plain(pipeline, "")
    assert same(picture.texts[0], (torch.cat([star[0], empty[0]]), star[1]))


def test_words_that_change_too_often_for_their_length_are_refused(encoder: Any, parts: Any) -> None:
    """Before any of it is read."""
    prompt = "x " * 6000 + " ".join(f"[a:{step}]" for step in range(40))
    with pytest.raises(BadRequest, match="texts of up to"):
        told(encoder, parts, prompt, steps=40)


@pytest.fixture
def counted(parts: Any) -> Iterator[list[int]]:
    """How many chunks each call of the second text encoder got."""
    calls: list[int] = []
    handle = parts.text_encoder_2.register_forward_hook(lambda _module, given, _made: calls.append(len(given[0])))
    yield calls
    handle.remove()


def test_what_was_read_is_not_read_again(encoder: Any, parts: Any, counted: list[int]) -> None:
    """Unless a LoRA or another layer would make something else of it."""
    first = told(encoder, parts, "a star", "blue")
    assert counted == [1, 1, 1]
    again = told(encoder, parts, "blue", "a star")
    assert counted == [1, 1, 1]
    assert torch.equal(again.negative.embeds, first.texts[0].embeds)
    told(encoder, parts, "a star", clip_skip=3)
    told(encoder, parts, "a star", changes=(("ink", 1.0),))
    told(encoder, parts, "(a star:1.1)")
    told(encoder, parts, "a star", "blue")
    assert counted == [1] * 8


def test_the_cache_is_bounded_and_goes_with_its_encoder() -> None:
    """What was used last stays."""
    from garret.service_runtime.engine.word_cache import WordCache

    cache, first, second = WordCache(100), torch.nn.Identity(), torch.nn.Identity()
    for number in range(5):
        cache.put(first, number, (torch.zeros(10),))
        cache.get(first, 0)
    assert [cache.get(first, number) is not None for number in range(5)] == [True, False, False, False, True]
    assert cache.get(second, 0) is None
    cache.put(first, 0, (torch.zeros(5),))
    assert cache.size(first) == 60
    cache.put(first, "large", (torch.zeros(100),))
    assert cache.size(first) == 400
    del first
    gc.collect()
    assert len(cache._shelves) == 0


def embedding(parts: Any, path: Path, word: str) -> tuple[str, str]:
    """Write an embedding that says what words say, and return its name with its path."""
    from safetensors.torch import save_file

    tables = {}
    for name, tokenizer, one in (
        ("clip_l", parts.tokenizer, parts.text_encoder),
        ("clip_g", parts.tokenizer_2, parts.text_encoder_2),
    ):
        ids = tokenizer(word, add_special_tokens=False).input_ids
        tables[name] = one.text_model.embeddings.token_embedding.weight[torch.tensor(ids)].clone()
    save_file(tables, path)
    return path.stem, str(path)


def test_an_embedding_stands_for_its_vectors(encoder: Any, parts: Any, pipeline: Any, tmp_path: Path) -> None:
    """In any case, with several vectors, beside words and weights, and in a new version at once."""
    used = (embedding(parts, tmp_path / "glorb.safetensors", "red circle"),)
    prompt = "a Glorb, on embedding:glorb"
    expected = plain(pipeline, "a red circle, on red circle")
    assert same(told(encoder, parts, prompt, embeddings=used).texts[0], expected)
    assert not same(told(encoder, parts, prompt).texts[0], (torch.zeros_like(expected[0]), expected[1]))
    weighed, by_words = (
        told(encoder, parts, "a (glorb:1.3)", embeddings=used),
        told(encoder, parts, "a (red circle:1.3)"),
    )
    assert same(weighed.texts[0], (by_words.texts[0].embeds, by_words.texts[0].pooled), within=1e-5)
    embedding(parts, tmp_path / "glorb.safetensors", "blue star shape")
    assert same(told(encoder, parts, "a glorb", embeddings=used).texts[0], plain(pipeline, "a blue star shape"))


def test_a_letter_that_only_looks_like_an_embeddings_is_text(encoder: Any, parts: Any, tmp_path: Path) -> None:
    """Python takes a long s for an s in whatever case; its lower case is another letter."""
    used = (embedding(parts, tmp_path / "sos.safetensors", "red circle"),)
    assert told(encoder, parts, "sos, \u017fos", embeddings=used).texts


def test_an_embedding_of_another_model_is_named(encoder: Any, parts: Any, tmp_path: Path) -> None:
    """By its file, with both widths; so is one that is gone."""
    from safetensors.torch import save_file

    path = tmp_path / "wide.safetensors"
    save_file({"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(2, 1280)}, path)
    with pytest.raises(ModelError, match=r"wide.safetensors has vectors of 768 in clip_l, and this model reads 48"):
        told(encoder, parts, "wide", embeddings=(("wide", str(path)),))
    with pytest.raises(ModelError, match=r"gone\.safetensors: .*No such file"):
        told(encoder, parts, "gone", embeddings=(("gone", str(tmp_path / "gone.safetensors")),))
