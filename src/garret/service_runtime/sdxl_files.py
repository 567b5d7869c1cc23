"""SDXL's configuration and tokenizers, which single-file checkpoints lack: brought by the runtime, never fetched.

The vocabulary follows from the list of byte pairs: 256 bytes, the same at the end of a word, each merged pair, and two
marks. So only the pairs are kept (OpenAI's CLIP, MIT), and the 1 MB beside them is written where it is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "sdxl_configuration"
NAME = "sdxl"
_TOKENIZERS = ("tokenizer", "tokenizer_2")
_MERGES = "tokenizer/merges.txt"


def configuration_files(folder: Path = FOLDER) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every file of the diffusers folder without weights that fits any SDXL checkpoint."""
    for file in sorted(path for path in folder.rglob("*.json")):
        yield file.relative_to(folder).as_posix(), file.read_text("utf-8")
    merges = (folder / _MERGES).read_text("utf-8")
    for tokenizer in _TOKENIZERS:
        yield f"{tokenizer}/merges.txt", merges
        yield f"{tokenizer}/vocab.json", vocabulary(merges)


def vocabulary(merges: str) -> str:
    """The vocab.json that belongs to a merges.txt, byte for byte as the published ones are."""
    letters = _letters()
    pairs = [line.replace(" ", "") for line in merges.splitlines()[1:]]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *pairs, "<|startoftext|>", "<|endoftext|>"]
    numbers = {token: number for number, token in enumerate(tokens)}
    return json.dumps(numbers, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _letters() -> list[str]:
    """A visible character for each byte: itself where it is one, else the next above 255."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in visible]
    return [chr(byte) for byte in visible] + [chr(256 + number) for number in range(len(others))]
