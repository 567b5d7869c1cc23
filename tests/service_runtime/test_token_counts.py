"""Tokens of a prompt as a page shows them: as the engine counts them, with what is wrong, and quickly."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from garret import demo_model
from garret.service_runtime.engine.tokenizer import Tokenizer
from garret.service_runtime.prompt.problems import ERROR, WARNING, problems_of
from tests.service_runtime.living import Service, fake_settings, serving


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with the demo model's words and the fake engine."""
    folder = tmp_path_factory.mktemp("tokens")
    settings = fake_settings(folder, config_dir=demo_model.CONFIG.parent, default_checkpoint="demo")
    place = folder / "models" / "Stable-diffusion" / "demo.safetensors"
    place.symlink_to(demo_model.WEIGHTS)
    (folder / "models" / "styles.csv").write_text('name,prompt,negative_prompt\nnice,"{prompt}, a b c",d\n')
    with serving(settings) as service:
        yield service


def count(service: Service, **body: Any) -> dict[str, Any]:
    """Ask for the counts."""
    answer = service.call("POST", "/v1/tokens", body)
    assert answer.status == 200, answer.body
    return dict(answer.json)


def test_tokens_are_those_of_the_engine(counting: Service) -> None:
    """For each encoder; brackets, weights and tags of LoRAs are none of them."""
    tokenizer = Tokenizer(demo_model.CONFIG / "tokenizer")
    wanted = len(tokenizer("a red circle, blue", add_special_tokens=False).input_ids)
    said = count(counting, prompt="a (red:1.2) circle<lora:x:0.5>, blue", negative_prompt="")
    assert (said["checkpoint"], said["chunk_size"], said["reason"]) == ("demo", 75, "")
    assert [one["name"] for one in said["prompt"]["encoders"]] == ["text_encoder", "text_encoder_2"]
    assert (said["prompt"]["tokens"], said["prompt"]["chunks"], said["prompt"]["problems"]) == (wanted, 1, [])
    assert (said["negative_prompt"]["tokens"], said["negative_prompt"]["chunks"]) == (0, 1)


def test_chunks_are_counted_as_they_are_read(counting: Service) -> None:
    """BREAK begins one; more than 75 tokens need another; what changes counts at its longest; styles count too."""
    assert count(counting, prompt="red BREAK blue")["prompt"]["chunks"] == 2
    long = count(counting, prompt="red " * 76)["prompt"]
    assert long["chunks"] == -(-long["tokens"] // 75) >= 2
    changing = count(counting, prompt="[red|red blue circle]")["prompt"]["tokens"]
    assert changing == count(counting, prompt="red blue circle")["prompt"]["tokens"]
    styled = count(counting, prompt="red", styles=["nice"])["prompt"]["tokens"]
    assert styled == count(counting, prompt="red, a b c")["prompt"]["tokens"]
    assert "negative_prompt" not in count(counting, prompt="red")


def test_a_text_that_is_too_long_says_where(counting: Service) -> None:
    """Not counted, and not refused: the page shows it while it is being shortened."""
    said = count(counting, prompt="a" * 16_001)["prompt"]
    (problem,) = said["problems"]
    assert (said["tokens"], problem["at"], problem["length"], problem["severity"]) == (None, 16_000, 1, ERROR)


def test_what_cannot_be_counted_says_why(counting: Service) -> None:
    """A checkpoint without a tokenizer here; one that is not there is an error, and so is a style."""
    said = count(counting, prompt="red", checkpoint="tiny")
    assert "no tokenizer of tiny" in said["reason"]
    assert (said["prompt"]["tokens"], said["prompt"]["encoders"]) == (None, [])
    assert counting.call("POST", "/v1/tokens", {"prompt": "a", "checkpoint": "none"}).status == 404
    assert counting.call("POST", "/v1/tokens", {"prompt": "a", "styles": ["none"]}).json["field"] == "styles"
    assert counting.call("POST", "/v1/tokens", {"prompt": 7}).json["field"] == "prompt"


def test_usual_prompts_are_counted_while_somebody_types(counting: Service) -> None:
    """In some milliseconds; the bound leaves room for a machine with other work."""
    prompt = "masterpiece, (best quality:1.2), a photograph of a small red house by the sea, [dawn|dusk], " * 3
    took = []
    for _ in range(15):
        began = time.perf_counter()
        count(counting, prompt=prompt, negative_prompt="blurry, low quality")
        took.append(time.perf_counter() - began)
    assert statistics.median(took) < 0.1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a (red) [b:c:0.5] \\( \\]", []),
        ("a (red", [(2, WARNING, "nothing closes this (")]),
        ("a) b", [(1, WARNING, "no ( opens this )")]),
        ("(a [b) c]", [(3, WARNING, "nothing closes this ["), (8, WARNING, "no [ opens this ]")]),
        ("(a AND b)", [(0, WARNING, "nothing closes this ("), (8, WARNING, "no ( opens this )")]),
        ("<lora:x:(1>", [(0, ERROR, "the tag of 'x' has a weight that is no number: '(1'")]),
        ("<lora:x:1> (", [(11, WARNING, "nothing closes this (")]),
        ("a AND b AND c", [(11, ERROR, "AND joins 3 texts")]),
        ("(" * 51, None),
    ],
)
def test_problems_have_their_places(text: str, found: list[tuple[int, str, str]] | None) -> None:
    """Each where a person would look for it."""
    problems = problems_of(text, negative=False, most_parts=2)
    if found is None:
        assert len(problems) == 20
        return
    assert [(one.at, one.severity, one.problem) for one in problems] == found


def test_in_a_negative_prompt_and_is_a_word() -> None:
    """And the tag of a LoRA does nothing there, which is said."""
    assert problems_of("(a AND b)", negative=True, most_parts=1) == []
    (problem,) = problems_of("a <lora:x:1>", negative=True, most_parts=1)
    assert (problem.at, problem.length, problem.severity) == (2, 10, WARNING)


def test_a_node_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    """Which is no error of whoever types."""
    settings = fake_settings(tmp_path)
    (tmp_path / "models" / "Stable-diffusion" / "tiny.safetensors").unlink()
    with serving(settings) as service:
        assert "no checkpoint" in count(service, prompt="red")["reason"]
