"""How many tokens a prompt has for each text encoder of a checkpoint, and in how many chunks they are read.

In the API process and without torch: what a page shows while somebody types must not wait for a worker.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from garret.service_runtime.embeddings import Embedding, pattern_of
from garret.service_runtime.errors import NotFound
from garret.service_runtime.families import find_configuration
from garret.service_runtime.models import Model, Models
from garret.service_runtime.prompt.chunks import SIZE, Learned, Marks, Token, part_into_chunks
from garret.service_runtime.prompt.problems import ERROR, WARNING, Problem, problems_of
from garret.service_runtime.prompt.sayings import Sections, sayings
from garret.service_runtime.prompt.tags import take_tags
from garret.service_runtime.safetensors_header import NotSafetensors, read_header
from garret.service_runtime.vocabulary import MAXIMUM_PARTS, Vocabulary

_ENCODERS = (("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2"))
_KEPT = 2
_STEPS = 20
"""What a prompt says changes with the steps; so many are looked at."""
_LONGEST_FEW = 4
"""Of the texts that it says at one step or another, so many are counted, those with the most characters."""


class Reading:
    """One tokenizer's view of texts."""

    def __init__(self, name: str, folder: Path) -> None:
        # Loaded here: it takes a moment, and whoever counts nothing needs none of it.
        from garret.service_runtime.engine.tokenizer import Tokenizer

        self.name = name
        self._tokenizer = Tokenizer(folder)
        comma = self._ids(",")
        begin, end, fill = (getattr(self._tokenizer, f"{mark}_token_id") for mark in ("bos", "eos", "pad"))
        self._marks = Marks(begin, end, fill, comma[0] if len(comma) == 1 else -1)

    def count(self, text: Sections, learned: Mapping[str, int]) -> tuple[int, int]:
        """Return how many tokens a text has, and how many chunks; `learned` has words with their vectors."""
        names = re.compile(pattern_of(learned), re.IGNORECASE) if learned else None
        sections = [[(self._tokens(piece.text, names, learned), piece.weight) for piece in one] for one in text]
        tokens = (token for section in sections for some, _ in section for token in some)
        count = sum(token.vectors if isinstance(token, Learned) else 1 for token in tokens)
        return count, len(part_into_chunks(sections, self._marks))

    def _tokens(self, text: str, names: re.Pattern[str] | None, learned: Mapping[str, int]) -> list[Token]:
        if names is None:
            return list(self._ids(text))
        tokens: list[Token] = []
        for index, part in enumerate(names.split(text)):
            vectors = learned.get(part.lower(), 0) if index % 2 else 0
            tokens.extend([Learned(part.lower(), vectors)] if vectors else self._ids(part))
        return tokens

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False).input_ids


class TokenCounts:
    """Counts for the checkpoints of one node; its methods block, for a moment the first time."""

    def __init__(self, models: Models, vocabulary: Vocabulary, config_dir: Path, longest: int) -> None:
        self._models, self._vocabulary, self._config_dir, self._longest = models, vocabulary, config_dir, longest
        self._folders: OrderedDict[tuple[Path, int], Path | None] = OrderedDict()
        self._readings: OrderedDict[Path, Sequence[Reading]] = OrderedDict()
        self._loading = threading.Lock()

    def of(self, texts: Mapping[str, str], checkpoint: str = "", styles: Sequence[str] = ()) -> dict[str, Any]:
        """Return the counts of the texts `prompt` and `negative_prompt`, of those that are there.

        Raises:
            NotFound, ModelError: there is no such checkpoint.
            UnknownChoice: there is no such style.
        """
        model = self._model(checkpoint)
        readings = self._readings_of(model.path, model.modified_ns) if model else ()
        name = model.name if model else ""
        said = texts.get("prompt", ""), texts.get("negative_prompt", "")
        styled = dict(zip(("prompt", "negative_prompt"), self._vocabulary.styles.apply(styles, *said), strict=True))
        found = self._vocabulary.embeddings.named_in(styled.values())
        why = "" if readings else f"there is no tokenizer of {name} here" if model else "there is no checkpoint here"
        counted = {one: self._of_text(one, text, styled[one], readings, found) for one, text in texts.items()}
        return {"checkpoint": name, "chunk_size": SIZE, "reason": why, **counted}

    def _model(self, checkpoint: str) -> Model | None:
        """Return the checkpoint that is meant; without one on the node nobody meant any."""
        try:
            return self._models.find_checkpoint(checkpoint)
        except NotFound:
            if checkpoint:
                raise
            return None

    def _of_text(
        self, name: str, text: str, styled: str, readings: Sequence[Reading], found: Sequence[Embedding]
    ) -> dict[str, Any]:
        negative = name == "negative_prompt"
        facts: dict[str, Any] = {"characters": len(text), "tokens": None, "chunks": None, "encoders": []}
        if len(styled) > self._longest:
            at = min(self._longest, len(text))
            long = Problem(at, len(text) - at, ERROR, f"has {len(styled)} characters", f"At most {self._longest}")
            return {**facts, "problems": [asdict(long)]}
        problems = [*problems_of(text, negative=negative, most_parts=MAXIMUM_PARTS), *_of_embeddings(text, found)]
        learned = {one.name.lower(): one.vectors for one in found if not one.problem}
        words = take_tags(styled)[0]
        said = sayings("", words, _STEPS) if negative else sayings(words, "", _STEPS)
        all_texts = {one.negative for one in said} if negative else {one for saying in said for one, _ in saying.texts}
        longest = sorted(all_texts, key=_characters, reverse=True)[:_LONGEST_FEW]
        for reading in readings:
            counts = [reading.count(one, learned) for one in longest]
            tokens, chunks = max(count for count, _ in counts), max(chunk for _, chunk in counts)
            facts["encoders"].append({"name": reading.name, "tokens": tokens, "chunks": chunks})
        if readings:
            facts["tokens"] = max(one["tokens"] for one in facts["encoders"])
            facts["chunks"] = max(one["chunks"] for one in facts["encoders"])
        return {**facts, "problems": [asdict(one) for one in problems]}

    def _readings_of(self, path: Path, version: int) -> Sequence[Reading]:
        with self._loading:
            folder = self._folder_of(path, version)
            if folder is None:
                return ()
            if folder not in self._readings:
                self._readings[folder] = _load(folder)
            self._readings.move_to_end(folder)
            while len(self._readings) > _KEPT:
                self._readings.popitem(last=False)
            return self._readings[folder]

    def _folder_of(self, path: Path, version: int) -> Path | None:
        """Return the folder with a checkpoint's tokenizers, None when there is none (yet)."""
        known = self._folders.get((path, version))
        if known is not None:
            return known
        try:
            folder = path if path.is_dir() else find_configuration(read_header(path), self._config_dir)
        except (OSError, NotSafetensors):
            folder = None
        if folder is not None:
            self._folders[path, version] = folder
        while len(self._folders) > 64:
            self._folders.popitem(last=False)
        return folder


def _load(folder: Path) -> Sequence[Reading]:
    """Load the tokenizers of a folder; a refiner has the second one only, which may lie above it."""
    places = [(name, folder / tokenizer) for name, tokenizer in _ENCODERS]
    if not places[1][1].is_dir():
        places[1] = (places[1][0], folder.parent / _ENCODERS[1][1])
    try:
        return [Reading(name, place) for name, place in places if place.is_dir()]
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _of_embeddings(text: str, found: Iterable[Embedding]) -> list[Problem]:
    """Return the words whose files are passed over, where they stand first."""
    problems = []
    for one in found:
        place = re.search(pattern_of([one.name]), text, re.IGNORECASE) if one.problem else None
        if place:
            said = f"the embedding {one.name} {one.problem}"[:300]
            problems.append(Problem(place.start(), len(place[0]), WARNING, said, "It is read as plain words"))
    return problems


def _characters(text: Sections) -> int:
    return sum(len(piece.text) for section in text for piece in section)
