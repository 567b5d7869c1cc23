"""What a downloaded file has to be: a model in safetensors, or a preview picture; told by its bytes, never its name."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from garret.service_runtime.model_files import PICKLED, UPSCALER
from garret.service_runtime.names import SUFFIX, model_file_name, preview_file_name, upscaler_file_name
from garret.service_runtime.picture_header import MAXIMUM_BYTES, NotAPicture, read_picture, refuse_no_picture
from garret.service_runtime.safetensors_header import (
    MAXIMUM_HEADER_BYTES,
    Header,
    NotSafetensors,
    parse_header,
    read_header,
    refuse_other_formats,
)
from garret.service_runtime.torch_pickle import is_pickled, read_either_header

WrongForm = (NotSafetensors, NotAPicture)
_LENGTH_BYTES = 8


@dataclass(frozen=True)
class Form:
    """How a kind of file is named and checked; `whole` returns the suffix that its bytes deserve."""

    named: Callable[[str], str]
    start: Callable[[bytes], None]
    whole: Callable[[Path], str]
    hint: str
    maximum_bytes: int | None = None
    header: Callable[[Path], Header] = read_header


def _start_of_upscaler(start: bytes) -> None:
    if not is_pickled(start):
        refuse_other_formats(start)


def _whole_upscaler(path: Path) -> str:
    with path.open("rb") as file:
        pickled = is_pickled(file.read(9))
    read_either_header(path)
    return PICKLED if pickled else SUFFIX


def _whole_model(path: Path) -> str:
    read_header(path)
    return SUFFIX


def _whole_picture(path: Path) -> str:
    return read_picture(path).suffix


FORMS = {
    "model": Form(model_file_name, refuse_other_formats, _whole_model, "Give the address of a .safetensors file"),
    # Most upscalers are published as pickles. Those that hold weights and nothing else are kept as they are.
    UPSCALER: Form(
        upscaler_file_name,
        _start_of_upscaler,
        _whole_upscaler,
        "Give the address of a .safetensors or .pth file",
        header=read_either_header,
    ),
    "preview": Form(
        preview_file_name,
        refuse_no_picture,
        _whole_picture,
        "Give the address of a PNG, JPEG or WebP picture",
        MAXIMUM_BYTES,
    ),
}


def form_of(model_type: str) -> str:
    """Return the form of a type's files."""
    return UPSCALER if model_type == UPSCALER else "model"


def early_header(read: Callable[[int], bytes], there: int, total: int | None) -> Header | None:
    """Return a model's header as soon as its bytes are there, held against the announced size; None before."""
    if there < _LENGTH_BYTES:
        return None
    (length,) = struct.unpack("<Q", read(_LENGTH_BYTES))
    if length <= MAXIMUM_HEADER_BYTES and there < _LENGTH_BYTES + length:
        return None
    header = parse_header(io.BytesIO(read(_LENGTH_BYTES + min(length, MAXIMUM_HEADER_BYTES))))
    if total is not None and header.file_bytes != total:
        raise NotSafetensors(f"has {total} bytes and its header promises {header.file_bytes}: it is not whole")
    return header
