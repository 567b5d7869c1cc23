"""Upscalers brought to a node: as safetensors, or as the pickles of weights that most of them are published as."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.operations.placing import place
from garret.service_runtime.transfer import DownloadError
from tests.service_runtime.networks import compact, real, write_upscaler
from tests.service_runtime.operations.conftest import Bench
from tests.service_runtime.operations.hub import Hub, serving_hub

torch = pytest.importorskip("torch")


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A server of files."""
    with serving_hub() as running:
        yield running


def pickled(**content: Any) -> bytes:
    """A .pth file."""
    file = io.BytesIO()
    torch.save({"params_ema": {name: torch.zeros(shape) for name, shape in compact(2).items()}, **content}, file)
    return file.getvalue()


def test_both_kinds_of_files_are_brought(bench: Bench, hub: Hub, tmp_path: Path) -> None:
    """Each under the suffix that its bytes deserve, whatever the address is called; and gone when they are removed."""
    hub.files["/RealESRGAN_x2plus.pth"] = hub.files["/download"] = pickled()
    hub.files["/x4.safetensors"] = write_upscaler(tmp_path / "x4.safetensors", real(3)).read_bytes()
    found = [
        bench.output("download-model", type="upscaler", url=f"{hub.url}/{path}", name=name)
        for path, name in (("RealESRGAN_x2plus.pth", ""), ("download", "any"), ("x4.safetensors", ""))
    ]
    assert [(Path(one["path"]).name, one["family"]) for one in found] == [
        ("RealESRGAN_x2plus.pth", "compact"), ("any.pth", "compact"), ("x4.safetensors", "esrgan"),
    ]  # fmt: skip
    assert bench.output("download-model", type="upscaler", url=f"{hub.url}/download", name="any")["already_there"]
    listed = bench.output("list-models", type="upscaler")["models"]
    assert [(one["name"], one["problem"]) for one in listed] == [
        (name, "") for name in ("RealESRGAN_x2plus", "any", "x4")
    ]
    bench.output("remove-model", type="upscaler", name="any")
    assert [one["name"] for one in bench.output("list-models", type="upscaler")["models"]] == [
        "RealESRGAN_x2plus",
        "x4",
    ]


def test_what_is_no_upscaler_is_refused(bench: Bench, hub: Hub) -> None:
    """A pickle that calls, weights of another kind, and a pickle as any other type."""
    hub.files["/evil.pth"], hub.files["/good.pth"] = pickled(then=print), pickled()
    hub.files["/other.pth"] = pickled(params_ema={"some.weight": torch.zeros(3)})
    assert "asks for" in bench.refusal("download-model", type="upscaler", url=f"{hub.url}/evil.pth")
    assert "no upscaler" in bench.refusal("download-model", type="upscaler", url=f"{hub.url}/other.pth")
    assert "never unpickles" in bench.refusal("download-model", type="lora", url=f"{hub.url}/good.pth")
    assert not list((bench.root / "ESRGAN").glob("*.pth"))


def test_a_file_of_ones_own_is_put_among_them(bench: Bench, tmp_path: Path) -> None:
    """Under its own suffix; one that calls is refused."""
    incoming = tmp_path / "incoming"
    incoming.write_bytes(pickled())
    assert Path(place(bench.settings, incoming, type="upscaler", name="mine.pth")["path"]).name == "mine.pth"
    incoming.write_bytes(pickled(then=print))
    with pytest.raises(DownloadError, match="asks for"):
        place(bench.settings, incoming, type="upscaler", name="evil.pth")
