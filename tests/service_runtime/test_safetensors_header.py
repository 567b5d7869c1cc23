"""The header parser reads good files, says what other files are, and never trusts a number."""

from __future__ import annotations

import contextlib
import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from garret.service_runtime.safetensors_header import NotSafetensors, parse_header, read_header
from tests.service_runtime.living import safetensors_bytes


def file_of(header: Any, data: bytes = b"") -> bytes:
    """Return a file with this header, whatever it is."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape: Any = (2,), begin: Any = 0, end: Any = 4, dtype: Any = "F16") -> dict[str, Any]:
    """Return one tensor's entry."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """Names, shapes, sizes."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors_bytes({"a": (2, 3), "b": (), "c": (0, 5)}))
    header = read_header(path)
    assert header.shape("a") == (2, 3)
    assert header.shape("nothing") == ()
    assert header.data_bytes == 14
    assert header.file_bytes == path.stat().st_size


def test_what_the_official_writer_writes_is_read(tmp_path: Path) -> None:
    """Of several types, with metadata."""
    import numpy
    from safetensors.numpy import save_file

    path = tmp_path / "official.safetensors"
    tensors = {"x": numpy.zeros((2, 2), numpy.float32), "y": numpy.zeros((3,), numpy.int8)}
    save_file(tensors, path, metadata={"format": "pt"})
    header = read_header(path)
    assert {name: (tensor.dtype, tensor.shape) for name, tensor in header.tensors.items()} == {
        "x": ("F32", (2, 2)),
        "y": ("I8", (3,)),
    }
    assert header.metadata == {"format": "pt"}


@pytest.mark.parametrize(
    ("types", "size"),
    [("F64 I64 U64", 8), ("F32 I32 U32", 4), ("F16 BF16 I16 U16", 2), ("F8_E4M3 F8_E5M2 I8 U8 BOOL", 1)],
)
def test_each_type_has_its_size(types: str, size: int) -> None:
    """In bytes for one number; any other is refused."""
    for dtype in types.split():
        header = parse_header(io.BytesIO(file_of({"a": entry([3], 0, 3 * size, dtype)})))
        assert header.data_bytes == 3 * size
        with pytest.raises(NotSafetensors, match="shape needs"):
            parse_header(io.BytesIO(file_of({"a": entry([3], 0, 3 * size + 1, dtype)})))


def test_a_cut_file_is_seen(tmp_path: Path) -> None:
    """By its size, before anybody maps it into memory."""
    path = tmp_path / "cut.safetensors"
    path.write_bytes(safetensors_bytes({"a": (100,)})[:-1])
    with pytest.raises(NotSafetensors, match="not whole"):
        read_header(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"\n\n <html>", "HTML"),
        (b"\xef\xbb\xbf<html>", "HTML"),
        (b'{"error": "not found"}', "JSON"),
        (b"PK\x03\x04rest of a zip", "zip"),
        (b"\x80\x02}q\x00(X\x05", "pickle"),
        (b"\x80\x04\x95", "pickle"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        (b"", "0 bytes"),
        (b"\x05\0\0", "3 bytes"),
        (struct.pack("<Q", 2**63), "no safetensors"),
        (struct.pack("<Q", 50) + b"{}", "ends inside"),
        (file_of(b"{{"), "not JSON"),
        (file_of(b"[" * 100_000), "not JSON"),
        (file_of(b"\xff\xfe"), "not JSON"),
        (file_of([1]), "JSON object"),
        (file_of({"__metadata__": {"a": 1}}), "__metadata__"),
        (file_of({"a": 1}), "no dtype"),
        (file_of({"a": {"dtype": "F16", "shape": [1]}}), "no dtype"),
        (file_of({"a": entry(dtype="F99")}), "type that is not known"),
        (file_of({"a": entry(dtype=["F16"])}), "type that is not known"),
        (file_of({"a": entry(shape="2")}), "no sizes"),
        (file_of({"a": entry(shape=[-2])}), "no sizes"),
        (file_of({"a": entry(shape=[True])}), "no sizes"),
        (file_of({"a": entry(shape=[2**40, 2**40])}), "shape needs"),
        (file_of({"a": entry(shape=[2] * 17)}), "type that is not known"),
        (file_of({"a": entry(end=5)}), "shape needs 4"),
        (file_of({"a": entry(begin=4, end=8)}), "gaps"),
        (file_of({"a": entry(), "b": entry()}), "overlap"),
    ],
)
def test_what_is_none_says_what_it_is(content: bytes, reason: str) -> None:
    """HTML, JSON, pickles, and headers that lie."""
    with pytest.raises(NotSafetensors, match=reason):
        parse_header(io.BytesIO(content))


@pytest.mark.parametrize("length", [*range(50, 320), 640, 1152, 0x3C3C, 0x5D5B, 0x7B7B, 0x8B1F, 0xBFBBEF, 0xFFD8FF])
def test_no_length_of_a_header_looks_like_another_format(length: int) -> None:
    """60 is "<", 123 is "{", 640 begins like a pickle, 35615 like gzip: the first eight bytes are a number."""
    bare = json.dumps({"a": entry()}).encode()
    text = bare + b" " * (length - len(bare)) if length >= len(bare) else bare
    header = parse_header(io.BytesIO(file_of(text)))
    assert header.header_bytes == len(text)


@given(some.binary(max_size=300))
def test_no_bytes_make_it_stumble(content: bytes) -> None:
    """Only ever NotSafetensors."""
    for data in (content, struct.pack("<Q", len(content)) + content):
        with contextlib.suppress(NotSafetensors):
            parse_header(io.BytesIO(data))


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(some.dictionaries(some.text(max_size=4), JSON | some.builds(entry, JSON, JSON, JSON, JSON), max_size=4))
def test_no_header_makes_it_stumble(header: dict[str, Any]) -> None:
    """Valid JSON of any shape."""
    with contextlib.suppress(NotSafetensors):
        parse_header(io.BytesIO(file_of(header)))
