"""Our text encoder and tokenizer against transformers' own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from garret import demo_model

torch = pytest.importorskip("torch")

TEXTS = (
    "",
    "a red circle on a blue background",
    "hello!! world!!! it's 42 déjà vu",
    "<|endoftext|> marks <|startoftext|> in a text",
    "你好 🙂🙂 ǅ İ ß \n tabs\t and\u00a0blanks",
    "(weights:1.2), [a|b], <lora:x:1>",
)


@pytest.fixture(scope="module", params=("tokenizer", "tokenizer_2"))
def tokenizers(request: Any) -> tuple[Any, Any]:
    """Ours and transformers', from the same folder."""
    from transformers import CLIPTokenizer

    from garret.service_runtime.engine.tokenizer import Tokenizer

    folder = demo_model.CONFIG / request.param
    return Tokenizer(folder), CLIPTokenizer.from_pretrained(folder)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.sampled_from(TEXTS), st.text(max_size=40)))
def test_every_text_has_the_ids_that_transformers_gives_it(tokenizers: tuple[Any, Any], text: str) -> None:
    """Also where the text holds the marks themselves, or "!", with which the second tokenizer pads."""
    ours, theirs = tokenizers
    text = text.encode("utf-8", "replace").decode()
    assert ours(text).input_ids == theirs(text).input_ids
    assert ours(text, add_special_tokens=False).input_ids == theirs(text, add_special_tokens=False).input_ids


def test_marks_and_lengths_are_the_same(tokenizers: tuple[Any, Any]) -> None:
    """What prompts of several parts are put together with."""
    ours, theirs = tokenizers
    for name in ("bos_token_id", "eos_token_id", "pad_token_id", "model_max_length"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.get_vocab() == theirs.get_vocab()


def test_a_tokenizer_of_one_file_is_read_too(tmp_path: Path) -> None:
    """transformers 5 saves tokenizer.json alone."""
    from transformers import CLIPTokenizer

    from garret.service_runtime.engine.tokenizer import Tokenizer

    theirs = CLIPTokenizer.from_pretrained(demo_model.CONFIG / "tokenizer")
    theirs.save_pretrained(tmp_path)
    assert not (tmp_path / "merges.txt").exists()
    ours = Tokenizer(tmp_path)
    assert all(ours(text).input_ids == theirs(text).input_ids for text in TEXTS)


@pytest.mark.parametrize(("name", "end"), [("text_encoder", 4095), ("text_encoder_2", 4095), ("text_encoder_2", 2)])
def test_every_state_is_the_one_that_transformers_computes(name: str, end: int) -> None:
    """Bit for bit, for texts that end early, late and in the middle; 2 is how old configurations write the end mark."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    from garret.service_runtime.engine.clip import TextEncoder

    config = json.loads((demo_model.CONFIG / name / "config.json").read_text()) | {"eos_token_id": end}
    kind = CLIPTextModelWithProjection if name == "text_encoder_2" else CLIPTextModel
    theirs = kind(CLIPTextConfig(**config)).eval()
    ours = TextEncoder(config)
    ours.load_state_dict({own_name(key): value for key, value in theirs.state_dict().items()})
    ids = torch.randint(0, 4000, (3, 77), generator=torch.Generator().manual_seed(1))
    for row, place in enumerate((5, 40, 76)):
        ids[row, place:] = 4095
    with torch.no_grad():
        expected = theirs(ids, output_hidden_states=True)
        states = ours(ids)
    assert len(states.hidden_states) == len(expected.hidden_states) == config["num_hidden_layers"] + 1
    assert all(torch.equal(a, b) for a, b in zip(states.hidden_states, expected.hidden_states, strict=True))
    assert torch.equal(states.last_hidden_state, expected.last_hidden_state)
    pooled = expected.text_embeds if name == "text_encoder_2" else expected.pooler_output
    assert torch.equal(states.pooled, pooled)


def own_name(name: str) -> str:
    """Return the name that a weight of transformers has in our encoder, whichever version it is of."""
    return name if name.startswith(("text_model.", "text_projection.")) else f"text_model.{name}"
