"""What files and the notes beside them say of models, read as nothing but text."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from garret.service_runtime.model_about import LONGEST_WORD, MOST_TAGS, MOST_WORDS, About, about


def _model(folder: Path, metadata: dict[str, str]) -> Path:
    header = json.dumps({"__metadata__": metadata}).encode()
    path = folder / "ink.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    return path


def test_trainers_and_tools_are_heard(tmp_path: Path) -> None:
    """Words from the header, from A1111's note and from CivitAI's, each once and in that order."""
    tags = {"10_ink": {"ink": 12, "line art": 3, "bad": "x"}, "2_more": {"line art": 30}}
    path = _model(
        tmp_path,
        {
            "modelspec.title": "Ink",
            "modelspec.license": "MIT",
            "modelspec.trigger_phrase": "inkwash, brush",
            "ss_sd_model_name": "sd_xl_base_1.0.safetensors",
            "ss_tag_frequency": json.dumps(tags),
        },
    )
    (tmp_path / "ink.json").write_text(json.dumps({"activation text": "brush, wet ink", "notes": "0.8"}), "utf-8")
    civitai = {"trainedWords": ["inkwash", "水墨"], "description": "<p>Draws <b>ink</b>.</p>"}
    (tmp_path / "ink.civitai.info").write_text(json.dumps(civitai), "utf-8")
    said = about(path)
    assert (said.title, said.license, said.base) == ("Ink", "MIT", "sd_xl_base_1.0.safetensors")
    assert said.words == ("inkwash", "brush", "wet ink", "水墨")
    assert said.tags == ({"tag": "line art", "count": 33}, {"tag": "ink", "count": 12})
    assert (said.description, said.usage) == ("Draws ink.", "0.8")


def test_nothing_said_is_nothing(tmp_path: Path) -> None:
    """A file without words, with a broken note beside it."""
    path = _model(tmp_path, {})
    (tmp_path / "ink.json").write_text("[" * 100_000, "utf-8")
    (tmp_path / "ink.civitai.info").write_bytes(b"\xff\xfe")
    assert about(path) == About()


def test_a_history_is_cut(tmp_path: Path) -> None:
    """However much a trainer wrote, a page gets a bounded part of it."""
    many = {f"tag {number}": number + 1 for number in range(5000)}
    path = _model(
        tmp_path,
        {
            "modelspec.trigger_phrase": ",".join("w" * 400 + str(n) for n in range(3)),
            "ss_tag_frequency": json.dumps({"1_x": many}),
        },
    )
    said = about(path)
    assert len(said.tags) == MOST_TAGS
    assert said.tags[0] == {"tag": "tag 4999", "count": 5000}
    assert all(len(word) <= LONGEST_WORD for word in said.words)
    assert len(said.words) <= MOST_WORDS
