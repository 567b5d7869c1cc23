"""CLIP's tokenizer on the `tokenizers` library alone: the ids are those of transformers' CLIPTokenizer.

Byte pairs over lower-cased words, as https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py has them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend
from tokenizers.models import BPE

_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_END_OF_WORD = "</w>"


@dataclass(frozen=True)
class Tokens:
    """A text's ids, between the marks of begin and end when those were asked for."""

    input_ids: list[int]


class Tokenizer:
    """Texts to ids; `model_max_length` counts the marks of begin and end."""

    def __init__(self, folder: Path) -> None:
        settings = _json(folder / "tokenizer_config.json")
        vocabulary, pairs = _pairs(folder)
        names = {name: _token(settings, name) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
        self._backend = _backend(vocabulary, pairs, names)
        self._vocabulary: dict[str, int] = self._backend.get_vocab()
        self.model_max_length = min(int(settings.get("model_max_length", 77)), 77)
        self.bos_token_id = self._vocabulary[names["bos_token"]]
        self.eos_token_id = self._vocabulary[names["eos_token"]]
        self.pad_token_id = self._vocabulary[names["pad_token"]]

    def __call__(self, text: str, add_special_tokens: bool = True) -> Tokens:
        """Return a text's ids, however many they are."""
        ids = list(self._backend.encode(text, add_special_tokens=False).ids)
        return Tokens([self.bos_token_id, *ids, self.eos_token_id] if add_special_tokens else ids)

    def get_vocab(self) -> Mapping[str, int]:
        """Return every token with its id."""
        return self._vocabulary


def _pairs(folder: Path) -> tuple[dict[str, int], list[Any]]:
    """Return the vocabulary and the merged pairs from the files of old, or from the one that newer libraries write."""
    if (folder / "merges.txt").exists():
        merges = (folder / "merges.txt").read_text("utf-8").splitlines()
        lines = [line for line in merges if line and not line.startswith("#version")]
        return _json(folder / "vocab.json"), [tuple(line.split()) for line in lines]
    model = _json(folder / "tokenizer.json")["model"]
    return model["vocab"], [tuple(pair.split() if isinstance(pair, str) else pair) for pair in model["merges"]]


def _backend(vocabulary: dict[str, int], pairs: list[Any], names: Mapping[str, str]) -> Backend:
    model = BPE(vocabulary, pairs, end_of_word_suffix=_END_OF_WORD, fuse_unk=False, unk_token=names["unk_token"])
    backend = Backend(model)
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    # In a text these are the marks themselves; SDXL's second tokenizer pads with "!", which thereby is one of them.
    marks = [AddedToken(name, special=True, normalized=False) for name in dict.fromkeys(names.values())]
    backend.add_special_tokens(marks)
    return backend


def _token(settings: Mapping[str, Any], name: str) -> str:
    default = "<|startoftext|>" if name == "bos_token" else "<|endoftext|>"
    value = settings.get(name, default)
    return str(value["content"] if isinstance(value, dict) else value)


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))
