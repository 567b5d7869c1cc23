"""A request's words as engines get them."""

from __future__ import annotations

from pathlib import Path

import pytest

from garret.service_runtime.asked import Hires, Lora
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.limits import MAXIMUM_PROMPT
from garret.service_runtime.vocabulary import MAXIMUM_PARTS, ReadyWords, Vocabulary
from tests.service_runtime.asking import ask
from tests.service_runtime.test_embeddings import SDXL, put


@pytest.fixture
def vocabulary(tmp_path: Path) -> Vocabulary:
    """Two styles, an embedding that can be used and one that cannot."""
    (tmp_path / "styles.csv").write_text(
        "name,prompt,negative_prompt\nink,ink <lora:pen:0.5> {prompt},glow\nnight,at night,", encoding="utf-8"
    )
    put(tmp_path / "words", "glow.safetensors", SDXL)
    put(tmp_path / "words", "old.safetensors", {"emb_params": (2, 768)})
    return Vocabulary(tmp_path, tmp_path / "words")


def test_words_without_anything_are_as_they_were(vocabulary: Vocabulary) -> None:
    """To the last space."""
    assert vocabulary.ready(ask(prompt=" a (cat) ", negative_prompt="rain")) == ReadyWords(" a (cat) ", "rain")


def test_styles_bring_tags_and_embeddings(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """The LoRAs of the field come first; what is passed over is told."""
    asked = ask(prompt="a cat, old", styles=("ink",), loras=(Lora("brush", 0.3),))
    assert vocabulary.ready(asked) == ReadyWords(
        "ink  a cat, old",
        "glow",
        loras=(Lora("brush", 0.3), Lora("pen", 0.5, 0.5)),
        embeddings=(("glow", str(tmp_path / "words" / "glow.safetensors")),),
        notes={
            "Embedding passed over": "old was made for Stable Diffusion 1.x, and this service makes pictures with SDXL"
        },
    )


def test_a_second_pass_has_words_of_its_own(vocabulary: Vocabulary) -> None:
    """With the styles around them, too; what it does not say is the first pass's."""
    asked = ask(prompt="a cat", negative_prompt="rain", styles=("night",), hires=Hires(prompt="a lion <lora:big>"))
    ready = vocabulary.ready(asked)
    assert (ready.hires_prompt, ready.hires_negative_prompt) == ("a lion , at night", "rain")
    assert ready.loras == (Lora("big", 1.0, 1.0),)
    assert vocabulary.ready(ask(prompt="a cat", hires=Hires())).hires_prompt == ""


def test_tags_alone_are_no_words_of_a_second_pass(vocabulary: Vocabulary) -> None:
    """It has the first one's, with the LoRA; whoever asks again by the picture's text gets the same."""
    said = Hires(prompt="<lora:ink:0.5>", negative_prompt="<lora:x:1>")
    ready = vocabulary.ready(ask(prompt="a cat", negative_prompt="blue", hires=said))
    assert (ready.hires_prompt, ready.hires_negative_prompt, ready.loras) == ("a cat", "blue", (Lora("ink", 0.5, 0.5),))


def test_a_tag_in_the_negative_prompt_is_passed_over(vocabulary: Vocabulary) -> None:
    """It is no word either."""
    ready = vocabulary.ready(ask(negative_prompt="rain <lora:pen:1>"))
    assert (ready.negative_prompt, ready.loras) == ("rain ", ())
    assert ready.notes == {"LoRA passed over": "pen: stands in the negative prompt"}


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("<lora:pen:x>", "no number"),
        ("<lora:pen:11>", "loras.weight"),
        ("<hypernet:pen>", "hypernetwork"),
        (" AND ".join("a" * (MAXIMUM_PARTS + 1)), "17 texts"),
    ],
)
def test_what_no_engine_should_be_asked_is_refused(vocabulary: Vocabulary, prompt: str, reason: str) -> None:
    """With the field or the tag."""
    with pytest.raises(BadRequest, match=reason):
        vocabulary.ready(ask(prompt=prompt))


def test_a_style_may_not_make_a_prompt_too_long(vocabulary: Vocabulary) -> None:
    """The bound is the same as without one."""
    with pytest.raises(BadRequest, match="prompt"):
        vocabulary.ready(ask(prompt="a" * MAXIMUM_PROMPT, styles=("night",)))
