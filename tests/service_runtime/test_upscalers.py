"""The upscalers of a node: found among its models, told from other files, named as clients name them."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.asked import Hires, Start, Upscale
from garret.service_runtime.chosen import choose_models
from garret.service_runtime.errors import BadRequest, ModelError, ServiceError, UnknownChoice
from garret.service_runtime.inputs import InputStore
from garret.service_runtime.models import HashCache, Models
from garret.service_runtime.png import encode_png
from garret.service_runtime.prepare import prepare
from garret.service_runtime.safetensors_header import NotSafetensors
from garret.service_runtime.tensor_families import why_useless
from garret.service_runtime.torch_pickle import read_pickled_header
from garret.service_runtime.upscalers import all_upscalers, find_upscaler
from garret.service_runtime.vocabulary import Vocabulary
from tests.service_runtime.asking import ask
from tests.service_runtime.living import checkpoint, safetensors_bytes
from tests.service_runtime.networks import compact, numbered, real, write_upscaler


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Models]:
    """A node with two networks, a file that is none, and a checkpoint."""
    folder = tmp_path / "ESRGAN"
    write_upscaler(folder / "4x-Any.safetensors", numbered(2))
    write_upscaler(tmp_path / "RealESRGAN" / "RealESRGAN_x2plus.safetensors", real(12))
    (folder / "odd.safetensors").write_bytes(safetensors_bytes({"some.weight": (3, 3)}))
    checkpoint(tmp_path, "demo")
    hashes = HashCache(tmp_path / "hashes.sqlite")
    yield Models(tmp_path, tmp_path / "configs", hashes)
    hashes.close()


def test_networks_are_listed_behind_the_plain_ones(models: Models) -> None:
    """With their factors; a file that no network is in keeps its place among the models, and says why."""
    found = {one.name: (one.kind, one.scale) for one in all_upscalers(models)}
    assert next(iter(found)) == "None"
    assert found["4x-Any"] == ("network", 4)
    assert found["RealESRGAN_x2plus"] == ("network", 2)
    assert "odd" not in found
    (odd,) = [one for one in models.all("upscaler") if one.name == "odd"]
    assert "no upscaler that this service can build" in odd.why_useless


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("4x-Any", "4x-Any"),
        ("4x-any.safetensors", "4x-Any"),
        ("R-ESRGAN 2x+", "RealESRGAN_x2plus"),
        ("lanczos", "Lanczos"),
        ("", "4x-Any"),
    ],
)
def test_a_name_finds_one(models: Models, text: str, name: str) -> None:
    """In any case, as A1111 calls it, or left to the node."""
    assert find_upscaler(models, text, "upscale.upscaler").name == name


def test_a_name_that_is_not_there_is_refused(models: Models) -> None:
    """Named with the field and with what there is; a file that is no network with the reason."""
    with pytest.raises(UnknownChoice, match=r"upscale\.second.*no upscaler is called") as refused:
        find_upscaler(models, "4x-Other", "upscale.second")
    assert "4x-Any" in refused.value.hint
    with pytest.raises(ModelError, match="odd"):
        find_upscaler(models, "odd", "upscale.second")
    with pytest.raises(UnknownChoice, match=r"hires\.upscaler"):
        choose_models(ask(hires=Hires(upscaler="4x-Other")), (), models)
    chosen = choose_models(ask(hires=Hires(upscaler="4x-any")), (), models)
    assert chosen.used.hires_upscaler.endswith("4x-Any.safetensors")


def test_types_are_told_by_tensors(models: Models) -> None:
    """A LoRA is no upscaler, an upscaler no checkpoint, and the unknown is none at all."""
    assert why_useless("upscaler", "esrgan") == ("", "")
    assert "those of a LoRA, not of an upscaler" in why_useless("upscaler", "lora-sdxl")[0]
    assert "those of an upscaler, not of a checkpoint" in why_useless("checkpoint", "compact")[0]
    assert why_useless("upscaler", "unknown")[0]
    assert why_useless("other", "unknown") == ("", "")


def pickled(content: bytes) -> bytes:
    """A file of PyTorch's with this table."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", b"")
    return file.getvalue()


class Caller:
    """Whoever unpickles this has a folder less or more."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> Any:
        return Path.mkdir, (self._target,)


def test_nothing_in_a_pickle_runs(tmp_path: Path) -> None:
    """Whatever it calls, in whatever format; and what is no table of weights is refused with a reason."""
    made, path = tmp_path / "made", tmp_path / "x.pth"
    evil = pickle.dumps({"params": Caller(made)})
    pickle.loads(evil)  # noqa: S301  (what any other reader would do)
    assert made.is_dir()
    made.rmdir()
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    bombs = [
        pickle.dumps([0] * 10),
        b"\x80\x04" + b"]" * 500_000,
        b"\x80\x02X\xff\xff\xff\x7f",
        b"",
        b"\x80\x02K\x01.",
    ]
    for data in (pickled(evil), evil, magic + evil, *bombs, *map(pickled, bombs), magic, b"PK\x03\x04" + bytes(100)):
        path.write_bytes(data)
        with pytest.raises(NotSafetensors):
            read_pickled_header(path)
    assert not made.exists()


def test_pickles_are_models_of_this_type_alone(tmp_path: Path, models: Models) -> None:
    """Read by names and shapes, listed with the others, and nowhere else looked at."""
    torch = pytest.importorskip("torch")
    state = {name: torch.zeros(shape) for name, shape in compact(4).items()}
    for folder in ("ESRGAN", "Lora", "Stable-diffusion"):
        (tmp_path / folder).mkdir(exist_ok=True)
        torch.save({"params": state}, tmp_path / folder / "general-x4.pth")
    torch.save({"params": state, "then": print}, tmp_path / "ESRGAN" / "evil.pth")
    assert [one.path.parent.name for one in models.all() if one.name == "general-x4"] == ["ESRGAN"]
    assert find_upscaler(models, "general-x4", "x").scale == 4
    (evil,) = [one for one in models.all("upscaler") if one.name == "evil"]
    assert "asks for" in evil.problem
    assert "print" in evil.problem


UPSCALED = ask(checkpoint="", prompt="", width=40, height=30, upscale=Upscale("ab" * 32))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prompt": "a"}, "prompt"),
        ({"start": Start("ab" * 32)}, "start"),
        ({"hires": Hires()}, "hires"),
        ({"loras": ("x",)}, "loras"),
        ({"batch_size": 2}, "batch_size"),
        ({"width": 0}, "width"),
        ({"width": 8193}, "width"),
        ({"width": 4000, "height": 4000}, "upscale"),
    ],
)
def test_what_would_need_a_painter_is_refused(changes: dict[str, Any], field: str) -> None:
    """A picture that is only made larger has no words; nor may it become larger than what crosses at once."""
    with pytest.raises(BadRequest, match=f"^{field}"):
        replace(UPSCALED, **changes)


def test_sizes_follow_the_picture() -> None:
    """By a factor, to a box that is covered and cut, or with one side alone."""
    assert UPSCALED.final_size == (80, 60)
    assert Upscale(width=100, height=100).size(40, 30) == (100, 100)
    assert Upscale(width=100, height=100, crop=False).size(40, 30) == (133, 100)
    assert Upscale(height=90).size(40, 30) == (120, 90)
    assert ask(hires=Hires(scale=2), upscale=Upscale(scale=1.5)).final_size == (192, 192)
    for wrong in ({"scale": 9}, {"scale": 0}, {"upscaler": "Latent"}, {"visibility": 2}, {"width": -1}, {"crop": 1}):
        with pytest.raises(BadRequest, match=r"^upscale\."):
            Upscale(**wrong)  # type: ignore[arg-type]


def test_a_request_is_made_ready_without_a_checkpoint(tmp_path: Path, models: Models) -> None:
    """The model is the upscaler; a size that is not the picture's, or gigabytes on the way, is refused."""
    inputs = InputStore(tmp_path / "inputs")
    image = inputs.put(encode_png(bytes(40 * 30 * 3), 40, 30))
    words = Vocabulary(tmp_path, tmp_path)
    asked = replace(UPSCALED, upscale=Upscale(image, second="lanczos", visibility=0.5))
    ready = prepare(asked, models, inputs, words)
    assert (ready.model.name, ready.used.checkpoint, ready.used.picture) == ("4x-Any", "", str(inputs.path(image)))
    assert ready.request.upscale == Upscale(image, "4x-Any", second="Lanczos", visibility=0.5)
    assert [Path(path).name for path in ready.used.upscalers] == ["4x-Any.safetensors", ""]
    with pytest.raises(BadRequest, match=r"^width.*40 x 30"):
        prepare(replace(asked, width=41), models, inputs, words)
    large = inputs.put(encode_png(bytes(4000 * 3000 * 3), 4000, 3000))
    shrunk = replace(asked, width=4000, height=3000, upscale=Upscale(large, "4x-Any", scale=1))
    with pytest.raises(ServiceError, match="16000 x 12000"):
        prepare(shrunk, models, inputs, words)


@pytest.mark.parametrize(
    ("text", "name"),
    [("lanczos", "Lanczos"), ("none", "None"), ("latent (Nearest)", "Latent (nearest)"), ("4X-any", "4x-Any")],
)
def test_a_second_pass_goes_by_its_upscalers_own_name(tmp_path: Path, models: Models, text: str, name: str) -> None:
    """Whatever case a client writes it in: the engine knows each by one name."""
    request = ask(hires=Hires(upscaler=text, denoise=0.25))
    ready = prepare(request, models, InputStore(tmp_path / "inputs"), Vocabulary(tmp_path, tmp_path))
    assert ready.request.hires == Hires(upscaler=name, denoise=0.25)


def test_a_second_pass_makes_no_gigabytes_on_its_way(tmp_path: Path, models: Models) -> None:
    """Neither a strip that is to cover a square, nor a network that goes over it again and again."""
    store, words = InputStore(tmp_path / "inputs"), Vocabulary(tmp_path, tmp_path)
    for upscaler, fits in (("Bicubic", False), ("4x-Any", False), ("Latent", True)):
        strip = ask(width=2048, height=64, hires=Hires(width=2048, height=2048, upscaler=upscaler))
        if fits:
            assert prepare(strip, models, store, words).request == strip
            continue
        with pytest.raises(BadRequest, match=r"^hires.*on its way"):
            prepare(strip, models, store, words)
    again = ask(width=2048, height=2048, hires=Hires(scale=2, upscaler="4x-Any"))
    assert prepare(again, models, store, words).used.hires_upscaler.endswith("4x-Any.safetensors")
