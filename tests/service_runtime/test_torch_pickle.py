"""Weights out of .pth files: the same as PyTorch reads, and never more than the file holds."""

from __future__ import annotations

import io
import pickle
import random
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.safetensors_header import NotSafetensors
from garret.service_runtime.torch_pickle import MAGIC, read_pickled_header, read_pickled_weights

torch = pytest.importorskip("torch")


def weights(path: Path) -> dict[str, Any]:
    """The tensors as the engine has them."""
    from garret.service_runtime.engine.upscale import _weights

    return dict(_weights(path))


@pytest.mark.parametrize("zipped", [True, False], ids=["new", "old"])
def test_what_pytorch_writes_is_read(tmp_path: Path, zipped: bool) -> None:
    """Of every type, as parameters, turned over, cut out of others, and two tables that share their numbers."""
    whole = torch.arange(24.0).reshape(2, 3, 4)
    state = {
        "whole": whole,
        "turned": whole.permute(2, 0, 1),
        "part": whole[1, :, 2:],
        "parameter": torch.nn.Parameter(torch.ones(3, dtype=torch.float64)),
        "half": torch.linspace(0, 1, 5).half(),
        "brain": torch.linspace(0, 1, 5).bfloat16(),
        "count": torch.tensor(7),
        "last": torch.ones(2, 3, 3, 3).contiguous(memory_format=torch.channels_last),
    }
    path = tmp_path / "a.pth"
    torch.save({"params": {"other": torch.zeros(9)}, "params_ema": state}, path, _use_new_zipfile_serialization=zipped)
    found = weights(path)
    assert list(found) == list(state)
    for name, tensor in state.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor.detach())
    assert read_pickled_header(path).shape("turned") == (4, 2, 3)


class Made:
    """A tensor with this table entry."""

    def __init__(self, *said: Any) -> None:
        self.said = said

    def __reduce__(self) -> Any:
        return torch._utils._rebuild_tensor_v2, (*self.said, False, OrderedDict())


class Numbers(tuple[Any, ...]):
    """What a storage is called in a file."""

    __slots__ = ()


class Writer(pickle.Pickler):
    """Writes tables as PyTorch does."""

    def persistent_id(self, one: Any) -> Any:
        """Say where numbers lie."""
        return tuple(one) if isinstance(one, Numbers) else None


def table(*said: Any, count: Any = 4) -> bytes:
    """The pickle of one tensor with these first number, sizes and strides, of so many numbers."""
    file = io.BytesIO()
    storage = Numbers(("storage", torch.FloatStorage, "0", "cpu", count))
    Writer(file, 2).dump({"params": {"a": Made(storage, *said)}})
    return file.getvalue()


def archive(
    pickled: bytes, numbers: bytes = bytes(16), how: int = zipfile.ZIP_STORED, order: bytes = b"little"
) -> bytes:
    """A file of the newer format."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as made:
        made.writestr("a/data.pkl", pickled)
        made.writestr("a/byteorder", order)
        made.writestr("a/data/0", numbers)
    return file.getvalue()


def plain(pickled: bytes, keys: Any = ("0",), count: int = 4, numbers: bytes = bytes(16)) -> bytes:
    """A file of the older format."""
    parts = [pickle.dumps(MAGIC, 2), pickle.dumps(1001, 2), pickle.dumps({}, 2), pickled, pickle.dumps(list(keys), 2)]
    return b"".join(parts) + struct.pack("<q", count) + numbers


FITS = table(0, (2, 2), (2, 1))
WRONG = [
    *(make(table(*said)) for make in (archive, plain) for said in (
        (1, (2, 2), (2, 1)), (0, (5,), (1,)), (0, (2,), (4,)), (0, (1000,), (0,)), (-1, (2,), (1,)), (0, (2,), (-1,)),
        (0, (2, 2), (1,)), (0, (-2, -2), (1, 1)), (0, (2.0,), (1,)), (0, "ab", (1, 1)), (2**70, (), ()),
    )),
    archive(table(0, (4,), (1,), count=2**60)),
    archive(table(0, (4,), (1,), count=-4)),
    archive(FITS, bytes(15)),
    archive(FITS, bytes(17)),
    archive(FITS, bytes(16), zipfile.ZIP_DEFLATED),
    archive(FITS, order=b"big"),
    plain(FITS, keys=("1",)),
    plain(FITS, keys=()),
    plain(FITS, count=5),
    plain(FITS, numbers=bytes(15)),
    plain(table(0, (4,), (1,), count=2**60), count=2**60),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_table_that_says_more_than_there_is_is_refused(tmp_path: Path, number: int) -> None:
    """Too large, beside its numbers, the same number many times, counts that no memory has; and packed ones."""
    path = tmp_path / "a.pth"
    path.write_bytes(WRONG[number])
    with pytest.raises(NotSafetensors):
        read_pickled_weights(path)


@pytest.mark.parametrize("make", [archive, plain])
def test_broken_files_do_no_harm(tmp_path: Path, make: Any) -> None:
    """Cut and changed anywhere, they are refused, or read as what they say then."""
    whole, dice, path = make(FITS), random.Random(5), tmp_path / "a.pth"
    path.write_bytes(whole)
    assert weights(path)["a"].tolist() == [[0, 0], [0, 0]]
    for _ in range(1500):
        broken = bytearray(whole)
        for _ in range(dice.randrange(1, 4)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        path.write_bytes(broken[: dice.choice([len(broken), dice.randrange(len(broken))])])
        try:
            tensors, numbers = read_pickled_weights(path)
        except NotSafetensors:
            continue
        assert all(len(numbers[one.storage.key]) == one.storage.size for one in tensors.values())
