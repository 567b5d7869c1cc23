"""Write the two small CLIP tokenizers of the demo model from the BPE file that open_clip_torch ships."""

from __future__ import annotations

import argparse
import gzip
import json
import zipfile
from pathlib import Path

BPE_MEMBER = "open_clip/bpe_simple_vocab_16e6.txt.gz"
VOCABULARY_SIZE = 4096
BYTE_TOKENS = 256
START, END = "<|startoftext|>", "<|endoftext|>"
# SDXL pads the first tokenizer with the end token and the second with "!", whose id is 0.
PADDING = {"tokenizer": END, "tokenizer_2": "!"}


def byte_alphabet() -> list[str]:
    """Return the 256 printable characters that stand for bytes, in the order of CLIP's vocabulary."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = BYTE_TOKENS - len(printable)
    return [chr(code) for code in printable] + [chr(BYTE_TOKENS + offset) for offset in range(others)]


def read_merges(wheel: Path) -> list[str]:
    """Return the first merges of CLIP's BPE file, as many as the small vocabulary has room for."""
    with zipfile.ZipFile(wheel) as archive:
        lines = gzip.decompress(archive.read(BPE_MEMBER)).decode("utf-8").split("\n")
    room = VOCABULARY_SIZE - 2 * BYTE_TOKENS - 2
    # The first line of the file is a version header, not a merge.
    return [line for line in lines[1:] if line][:room]


def write_tokenizer(merges: list[str], folder: Path, padding: str) -> None:
    """Write one tokenizer folder in the layout that transformers' CLIPTokenizer reads."""
    alphabet = byte_alphabet()
    tokens = alphabet + [character + "</w>" for character in alphabet]
    tokens += ["".join(merge.split()) for merge in merges] + [START, END]
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": padding}
    settings = {**special, "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Write both tokenizer folders from the wheel that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path, help="an open_clip_torch wheel (pip download --no-deps open_clip_torch)")
    parser.add_argument("output", type=Path, help="the folder that receives tokenizer/ and tokenizer_2/")
    arguments = parser.parse_args()
    merges = read_merges(arguments.wheel)
    for name, padding in PADDING.items():
        write_tokenizer(merges, arguments.output / name, padding)


if __name__ == "__main__":
    main()
