"""Fields of a request as they are typed become the nested record that a service reads, or are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from garret.errors import UsageError
from garret.ops.request_fields import format_of, merged, read_fields


def test_names_with_dots_are_parts_and_values_are_json_or_text() -> None:
    """As somebody types them in a shell."""
    said = [
        "hires.scale=1.5",
        "hires.upscaler=Latent",
        "sampler=DPM++ 2M",
        'styles=["Ink"]',
        "vae=",
        "output.watermark=true",
    ]
    assert read_fields(said) == {
        "hires": {"scale": 1.5, "upscaler": "Latent"},
        "sampler": "DPM++ 2M",
        "styles": ["Ink"],
        "vae": "",
        "output": {"watermark": True},
    }


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (["hires"], "NAME=VALUE"),
        (["=1"], "NAME=VALUE"),
        (["A=1"], "NAME=VALUE"),
        (["n_iter=4"], "--count"),
        (["prompt=x"], "prompt"),
        (["steps=1", "steps=2"], "twice"),
        (["hires=1", "hires.scale=2"], "whole and in parts"),
    ],
)
def test_what_is_no_field_is_named(said: list[str], word: str) -> None:
    """With what to type instead."""
    with pytest.raises(UsageError) as caught:
        read_fields(said)
    assert word in f"{caught.value.message} {caught.value.hint}"


def test_what_options_said_stays_beside_it() -> None:
    """`--mask` and `--set start.mask.blur=8` are one mask."""
    body = {"start": {"image": "x", "mask": {"image": "y"}}, "steps": 3}
    both = merged(body, {"start": {"mask": {"blur": 8}}, "steps": 4})
    assert both == {"start": {"image": "x", "mask": {"image": "y", "blur": 8}}, "steps": 4}
    assert body["steps"] == 3


def test_the_ending_of_a_file_says_its_format() -> None:
    """A name without one is a PNG's; another kind of file is not written."""
    assert [format_of(Path(name)) for name in ("a.PNG", "a.jpg", "a.jpeg", "a.webp", "a")] == [
        "png", "jpeg", "jpeg", "webp", "png",
    ]  # fmt: skip
    assert format_of(None) == "png"
    with pytest.raises(UsageError, match="gif"):
        format_of(Path("a.gif"))
