"""Files that are on the disk already become models: checked, named, stored once, and over nothing else."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.operations.placing import place
from garret.service_runtime.operations.run import WrongParameter
from garret.service_runtime.png import encode_png
from garret.service_runtime.transfer import DownloadError
from tests.service_runtime.living import SDXL_TENSORS, safetensors_bytes
from tests.service_runtime.operations.conftest import Bench

LORA = safetensors_bytes({"lora_te2_x.lora_down.weight": (4,)}, b"a")
SD3 = safetensors_bytes({"lora_te3_x.lora_down.weight": (4,)}, b"b")
PNG = encode_png(b"\0" * 12, 2, 2, {})
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b080002000201011100ffda0008010100003f00ffd9")
WEBP = b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\1\0\0" + b"\1\0\0"


def staged(bench: Bench, content: bytes) -> Path:
    """A file that came onto the node's disk by some way."""
    folder = bench.root / ".incoming"
    folder.mkdir(exist_ok=True)
    path = folder / "upload"
    path.write_bytes(content)
    return path


def put(bench: Bench, content: bytes, **asked: Any) -> dict[str, Any]:
    """Place a file as a LoRA called ink, unless something else is asked."""
    return place(bench.settings, staged(bench, content), **{"type": "lora", "name": "ink"} | asked)


def test_a_file_becomes_a_model(bench: Bench) -> None:
    """In the folder of its type, known by its hash, readable by all, and the staged one is gone."""
    facts = put(bench, LORA, sha256=hashlib.sha256(LORA).hexdigest().upper())
    path = bench.root / "Lora" / "ink.safetensors"
    assert facts == {
        "name": "ink", "path": str(path), "type": "lora", "kind": "model", "directory": "Lora", "family": "lora-sdxl",
        "size": len(LORA), "sha256": hashlib.sha256(LORA).hexdigest(), "already_there": False,
    }  # fmt: skip
    assert path.read_bytes() == LORA
    assert path.stat().st_mode & 0o777 == 0o644
    assert list((bench.root / ".incoming").iterdir()) == []
    assert bench.output("verify-models", name="ink")["models"][0]["state"] == "whole"


def test_a_file_that_is_there_is_stored_once(bench: Bench) -> None:
    """Under both names, in both folders; out of the bin as well."""
    put(bench, LORA)
    again = put(bench, LORA, type="other", directory="styles", name="same")
    assert again["already_there"]
    assert Path(again["path"]).samefile(bench.root / "Lora" / "ink.safetensors")
    assert put(bench, LORA)["already_there"]
    bench.output("remove-model", name="ink")
    bench.output("remove-model", name="same", for_good=True)
    from_bin = put(bench, LORA, name="third")
    assert from_bin["already_there"]
    assert Path(from_bin["path"]).read_bytes() == LORA


def test_no_file_is_written_over(bench: Bench) -> None:
    """The other file stays, and so does the staged one."""
    put(bench, LORA)
    other = safetensors_bytes({"lora_te2_x.lora_down.weight": (4,)}, b"c")
    with pytest.raises(DownloadError, match=r"another file is called ink\.safetensors"):
        put(bench, other)
    assert (bench.root / "Lora" / "ink.safetensors").read_bytes() == LORA
    assert (bench.root / ".incoming" / "upload").read_bytes() == other


@pytest.mark.parametrize(
    ("content", "asked", "said"),
    [
        (SD3, {}, "a LoRA for Stable Diffusion 3, and this service makes pictures with SDXL"),
        (safetensors_bytes(SDXL_TENSORS), {}, "those of a checkpoint, not of a LoRA"),
        (b"<html>", {}, "web page"),
        (b"PK\x03\x04" + bytes(60), {}, "never unpickles"),
        (LORA, {"sha256": "0" * 64}, "was wanted"),
        (LORA, {"name": "../ink"}, "the file name"),
        (LORA, {"name": "con"}, "device"),
    ],
)
def test_what_is_no_model_of_use_is_refused(bench: Bench, content: bytes, asked: dict[str, Any], said: str) -> None:
    """And nothing appears among the models."""
    with pytest.raises(DownloadError, match=said):
        put(bench, content, **asked)
    assert not (bench.root / "Lora").exists() or not list((bench.root / "Lora").iterdir())


def test_another_family_is_taken_when_that_is_meant(bench: Bench) -> None:
    """It is listed with the reason why it is of no use here."""
    put(bench, SD3, force=True)
    [one] = bench.output("list-models", type="lora")["models"]
    assert "Stable Diffusion 3" in one["problem"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"type": "lora", "directory": "x"}, "is for the type other"),
        ({"type": "other", "directory": "../x"}, "directory"),
        ({"type": "other", "directory": "/etc"}, "directory"),
        ({"type": "other", "directory": "a/../../b"}, "directory"),
        ({"type": "other", "directory": "a/b/c/d/e"}, "1 to 4"),
        ({"type": "other", "directory": "lora"}, "Say --type lora"),
        ({"type": "other", "directory": "Stable-diffusion/x"}, "Say --type checkpoint"),
        ({"type": "other", "directory": "way-out"}, "leads out of"),
        ({"type": "other", "directory": ".bin"}, "begins with a dot"),
    ],
)
def test_other_goes_below_the_root_and_no_further(bench: Bench, asked: dict[str, Any], said: str) -> None:
    """Neither by dots, nor absolutely, nor by a link, nor into a folder of another type."""
    (bench.root / "way-out").symlink_to(bench.root.parent)
    with pytest.raises(WrongParameter) as refused:
        put(bench, LORA, **asked)
    assert said in f"{refused.value.message}. {refused.value.hint}"
    assert (bench.root / ".incoming" / "upload").exists()


@pytest.mark.parametrize("root", ["", "/home/models"])
def test_a_folder_may_be_said_as_on_the_nodes_disk(bench: Bench, root: str) -> None:
    """The habit of such services: the whole path below the models."""
    facts = put(bench, LORA, type="other", directory=f"{root or bench.root}/hypernetworks/mine")
    assert facts["directory"] == "hypernetworks/mine"
    assert [one["type"] for one in bench.output("list-models")["models"] if one["name"] == "ink"] == ["other"]


@pytest.mark.parametrize(("picture", "suffix"), [(PNG, ".png"), (JPEG, ".jpg"), (WEBP, ".webp")])
def test_a_preview_belongs_to_its_model_by_name(bench: Bench, picture: bytes, suffix: str) -> None:
    """It is called like the model, whatever its own name's ending was, and is listed with it."""
    put(bench, LORA)
    facts = put(bench, picture, kind="preview", name="ink.jpeg")
    assert Path(facts["path"]) == bench.root / "Lora" / f"ink{suffix}"
    [one] = bench.output("list-models", type="lora")["models"]
    assert one["preview"] == f"ink{suffix}"


def test_a_preview_is_replaced_only_when_that_is_meant(bench: Bench) -> None:
    """A model has one picture."""
    put(bench, LORA)
    put(bench, PNG, kind="preview")
    put(bench, PNG, kind="preview")
    with pytest.raises(DownloadError, match="has a preview already"):
        put(bench, JPEG, kind="preview")
    put(bench, JPEG, kind="preview", force=True)
    assert sorted(path.name for path in (bench.root / "Lora").glob("ink.[jp]*")) == ["ink.jpg"]


def test_a_preview_of_nothing_is_refused(bench: Bench) -> None:
    """With the names that there are; and so is a picture that is none."""
    put(bench, LORA)
    with pytest.raises(WrongParameter) as refused:
        put(bench, PNG, kind="preview", name="oil")
    assert "There are: ink" in refused.value.hint
    with pytest.raises(DownloadError, match="no PNG"):
        put(bench, b"GIF89a", kind="preview")
