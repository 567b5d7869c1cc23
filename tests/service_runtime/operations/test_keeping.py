"""Listing, removing, restoring and verifying models: nothing is lost by a wrong word, and nothing kept for ever."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from garret.service_runtime.operations.bin import KEPT_S, Bin
from tests.service_runtime.living import SDXL_TENSORS, checkpoint, safetensors_bytes
from tests.service_runtime.operations.conftest import Bench

LORA = safetensors_bytes({"lora_te2_x.lora_down.weight": (4,)}, b"a")
OLD_LORA = safetensors_bytes({"lora_te3_x.lora_down.weight": (4,)}, b"b")


def lora(bench: Bench, name: str, content: bytes = LORA, folder: str = "Lora") -> Path:
    """Put a LoRA with its preview onto the node's disk, as if by hand."""
    path = bench.root / folder / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_suffix(".png").write_bytes(b"a picture")
    return path


def test_the_list_says_what_is_there_and_what_cannot_be_used(bench: Bench) -> None:
    """Types, families, previews, folders below folders, and why a model is of no use."""
    lora(bench, "ink")
    lora(bench, "old", OLD_LORA, "Lora/styles")
    output = bench.output("list-models")
    told = {one["name"]: one for one in output["models"]}
    assert set(told) == {"tiny", "ink", "old"}
    assert (told["ink"]["type"], told["ink"]["family"], told["ink"]["problem"]) == ("lora", "lora-sdxl", "")
    assert told["ink"]["preview"] == "ink.png"
    assert told["old"]["path"] == "Lora/styles/old.safetensors"
    assert "Stable Diffusion 3" in told["old"]["problem"]
    assert [one["name"] for one in bench.output("list-models", type="checkpoint")["models"]] == ["tiny"]
    assert output["removed"] == []


def test_a_removed_model_comes_back_as_it_was(bench: Bench) -> None:
    """With its preview and its hash; it is in the list of the bin meanwhile."""
    path = lora(bench, "ink")
    gone = bench.output("remove-model", name="ink")
    assert (gone["name"], gone["files"]) == ("ink", ["ink.safetensors", "ink.png"])
    assert gone["removed_by"] == "tests"
    assert not path.exists()
    assert not path.with_suffix(".png").exists()
    listed = bench.output("list-models")
    assert [one["name"] for one in listed["models"]] == ["tiny"]
    assert [(one["name"], one["type"]) for one in listed["removed"]] == [("ink", "lora")]
    back = bench.output("restore-model", name="ink")
    assert [one["path"] for one in back["models"]] == [str(path)]
    assert path.read_bytes() == LORA
    assert path.with_suffix(".png").read_bytes() == b"a picture"
    assert not any((bench.root / ".bin").iterdir())


def test_all_comes_back_but_for_what_another_file_stands_in_the_way_of(bench: Bench) -> None:
    """And no file is written over: what cannot come back stays in the bin."""
    for name in ("one", "two"):
        lora(bench, name)
        bench.output("remove-model", name=name)
    (bench.root / "Lora" / "two.safetensors").write_bytes(OLD_LORA)
    refused = bench.run("restore-model", all=True)
    assert refused.status == "Failed"
    assert "another file is called Lora/two.safetensors" in (refused.error or {})["message"]
    assert [one["name"] for one in refused.output["models"]] == ["one"]
    assert (bench.root / "Lora" / "two.safetensors").read_bytes() == OLD_LORA
    assert [one["name"] for one in bench.output("list-models")["removed"]] == ["two"]


def test_a_name_that_means_two_models_is_not_guessed(bench: Bench) -> None:
    """The type, or the path below the root, says which."""
    lora(bench, "tiny")
    assert "2 models are called 'tiny'" in bench.refusal("remove-model", name="tiny")
    bench.output("remove-model", name="Lora/tiny.safetensors")
    assert "There are: tiny" in bench.refusal("remove-model", name="ink")
    for outside in ("../x", "/etc/passwd", ""):
        assert "there is no model" in bench.refusal("remove-model", name=outside)


def test_the_last_checkpoint_stays_unless_that_is_meant(bench: Bench) -> None:
    """Without one, the service makes no picture."""
    assert "the only checkpoint" in bench.refusal("remove-model", name="tiny")
    checkpoint(bench.root, "other")
    bench.output("remove-model", name="tiny")
    bench.output("remove-model", name="other", force=True)


def test_for_good_is_for_good(bench: Bench) -> None:
    """Its room is free at once."""
    lora(bench, "ink")
    gone = bench.output("remove-model", name="ink", for_good=True)
    assert "kept_until" not in gone
    assert bench.output("list-models")["removed"] == []
    assert "In the bin: nothing" in bench.refusal("restore-model", name="ink")


def test_the_bin_is_purged_by_age(bench: Bench) -> None:
    """What was removed two weeks ago is deleted, what was removed since is kept."""
    for name in ("old", "new"):
        lora(bench, name)
    old = bench.output("remove-model", name="old")
    record = bench.root / ".bin" / old["id"] / "record.json"
    facts = json.loads(record.read_text())
    record.write_text(json.dumps(facts | {"removed_at": time.time() - KEPT_S - 1}))
    assert bench.output("remove-model", name="new")["purged"] == ["old"]
    assert [one.name for one in Bin(bench.root).all()] == ["new"]


def test_a_removal_that_was_cut_off_loses_nothing(bench: Bench) -> None:
    """After the record and before the model moved, it is still there; after the model, it can be had back."""
    path = lora(bench, "ink")
    trash = Bin(bench.root)
    gone = bench.output("remove-model", name="ink")
    place = bench.root / ".bin" / gone["id"]
    (place / "ink.safetensors").rename(path)
    assert trash.all() == []
    assert "ink" in [one["name"] for one in bench.output("list-models")["models"]]
    path.rename(place / "ink.safetensors")
    (place / "ink.png").rename(path.with_suffix(".png"))
    bench.output("restore-model", name="ink")
    assert path.with_suffix(".png").read_bytes() == b"a picture"


def test_a_folder_of_diffusers_is_removed_and_restored_whole(bench: Bench) -> None:
    """As one model."""
    folder = bench.root / "Stable-diffusion" / "mine"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionXLPipeline"}))
    (folder / "unet" / "w.safetensors").write_bytes(LORA)
    assert bench.output("remove-model", name="mine")["size"] > len(LORA)
    bench.output("restore-model", name="mine")
    assert (folder / "unet" / "w.safetensors").read_bytes() == LORA


def test_verifying_finds_a_byte_that_changed(bench: Bench) -> None:
    """Also where size and time are as before; said with both hashes until it is accepted."""
    path = lora(bench, "ink")
    first = bench.output("verify-models")
    assert [(one["name"], one["state"]) for one in first["models"]] == [("tiny", "new"), ("ink", "new")]
    assert first["bytes"] == path.stat().st_size + checkpoint(bench.root).stat().st_size
    assert bench.output("verify-models", name="ink")["models"][0]["state"] == "whole"
    before = path.stat()
    path.write_bytes(LORA[:-1] + b"z")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    ended = bench.run("verify-models", type="lora")
    assert ended.status == "Failed"
    [one] = ended.output["models"]
    assert (one["state"], one["path"]) == ("changed", "Lora/ink.safetensors")
    assert one["sha256"] in (ended.error or {})["message"]
    assert one["expected"] in (ended.error or {})["message"]
    assert bench.run("verify-models", type="lora").status == "Failed"
    assert bench.output("verify-models", name="ink", accept=True)["models"][0]["state"] == "new"
    assert bench.output("verify-models", name="ink")["models"][0]["state"] == "whole"


def test_verifying_finds_a_file_that_is_not_whole(bench: Bench) -> None:
    """By its header, where nobody knows its hash."""
    path = checkpoint(bench.root, "cut")
    path.write_bytes(safetensors_bytes(SDXL_TENSORS)[:-5])
    assert "it is not whole" in bench.refusal("verify-models", name="cut")


@pytest.mark.parametrize(
    ("verb", "parameters", "named"),
    [
        ("list-models", {"type": "pickle"}, "type"),
        ("list-models", {"path": "/etc"}, "path"),
        ("remove-model", {"name": 7}, "name"),
        ("remove-model", {"name": "tiny", "force": "yes"}, "force"),
        ("restore-model", {}, "say a name, or all"),
        ("verify-models", {"name": "x" * 500}, "name"),
    ],
)
def test_a_wrong_parameter_is_named(bench: Bench, verb: str, parameters: dict[str, object], named: str) -> None:
    """And nothing is done."""
    assert named in bench.refusal(verb, **parameters)
