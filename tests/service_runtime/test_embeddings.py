"""Embeddings found by the names of their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from garret.service_runtime.embeddings import Embeddings
from tests.service_runtime.living import safetensors_bytes

SDXL = {"clip_l": (3, 768), "clip_g": (3, 1280)}


def put(folder: Path, name: str, tensors: dict[str, tuple[int, ...]]) -> None:
    """Write an embedding's file."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(safetensors_bytes(tensors))


def test_files_are_words(tmp_path: Path) -> None:
    """Also below folders; hidden ones are passed over, and one that can be used comes before one that cannot."""
    put(tmp_path, "hands.safetensors", SDXL)
    put(tmp_path, "more/Glow.safetensors", {"text_encoders_0": (1, 768), "text_encoders_1": (1, 1280)})
    put(tmp_path, ".hidden/no.safetensors", SDXL)
    put(tmp_path, "glow.safetensors", {"emb_params": (1, 768)})
    found = Embeddings(tmp_path).all()
    assert [(one.name, one.vectors, one.problem) for one in found] == [("Glow", 1, ""), ("hands", 3, "")]
    assert Embeddings(tmp_path / "nowhere").all() == []
    put(tmp_path / "second", "hands.safetensors", {**SDXL, "clip_l": (1, 768), "clip_g": (1, 1280)})
    put(tmp_path / "second", "haze.safetensors", SDXL)
    both = Embeddings(tmp_path / "more", tmp_path / "second").all()
    assert [(one.name, one.vectors) for one in both] == [("Glow", 1), ("hands", 1), ("haze", 3)]


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ({"emb_params": (2, 768)}, "made for Stable Diffusion 1.x"),
        ({"emb_params": (2, 1024)}, "made for Stable Diffusion 2.x"),
        ({"clip_g": (2, 1280)}, "clip_l and clip_g"),
        ({"clip_l": (1, 768), "clip_g": (2, 1280)}, "of one length"),
        ({"clip_l": (76, 768), "clip_g": (76, 1280)}, "76 vectors"),
        ({"clip_l": (0, 768), "clip_g": (0, 1280)}, "0 vectors"),
        ({"clip_l": (768,), "clip_g": (1280,)}, "clip_l and clip_g"),
    ],
)
def test_a_file_that_is_none_of_sdxls_says_why(
    tmp_path: Path, tensors: dict[str, tuple[int, ...]], problem: str
) -> None:
    """It is listed, with what it is."""
    put(tmp_path, "word.safetensors", tensors)
    assert problem in Embeddings(tmp_path).all()[0].problem


def test_pickles_and_broken_files_are_never_opened(tmp_path: Path) -> None:
    """They are listed, too."""
    (tmp_path / "old.pt").write_bytes(b"\x80\x02")
    (tmp_path / "page.safetensors").write_text("<html>", encoding="utf-8")
    old, page = Embeddings(tmp_path).all()
    assert "pickle" in old.problem
    assert "HTML" in page.problem


def test_names_are_found_as_words(tmp_path: Path) -> None:
    """In any case, behind weights and escapes; not inside of other words."""
    for name in ("hands", "bad-hands", "my (word)", "Glow"):
        put(tmp_path, f"{name}.safetensors", SDXL)
    embeddings = Embeddings(tmp_path)

    def named(*texts: str) -> list[str]:
        return [one.name for one in embeddings.named_in(texts)]

    assert named("a cat", "(Hands:1.2), embedding:glow") == ["Glow", "hands"]
    assert named("bad-hands") == ["bad-hands"]
    assert named("handsome glowing bad-handsome my word") == []
    assert named("[a|my \\(word\\)]") == ["my (word)"]


def test_a_new_version_of_a_file_is_read(tmp_path: Path) -> None:
    """And one that is gone is not found."""
    put(tmp_path, "word.safetensors", {"emb_params": (2, 768)})
    embeddings = Embeddings(tmp_path)
    assert embeddings.all()[0].problem
    put(tmp_path, "word.safetensors", SDXL)
    assert embeddings.all()[0].problem == ""
    (tmp_path / "word.safetensors").unlink()
    assert embeddings.all() == []
