"""A request's words made ready: styles put around them, tags of LoRAs taken out, embeddings found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from garret.service_runtime.asked import Lora
from garret.service_runtime.embeddings import Embeddings
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.limits import check_text
from garret.service_runtime.prompt.parts import count_parts
from garret.service_runtime.prompt.tags import Tag, take_tags
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.styles import Styles

MAXIMUM_PARTS = 16
"""So many texts AND may join: every step costs the work of each."""


@dataclass(frozen=True)
class ReadyWords:
    """What engines read: texts without tags, the LoRAs of field and tags, the embeddings' words with their files.

    The texts of a second pass are empty where it has the first one's.
    """

    prompt: str
    negative_prompt: str
    hires_prompt: str = ""
    hires_negative_prompt: str = ""
    loras: tuple[Lora, ...] = ()
    embeddings: tuple[tuple[str, str], ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


class Vocabulary:
    """The styles and embeddings of a node; embeddings may lie in a folder among the models as well."""

    def __init__(self, models_folder: Path, embeddings_folder: Path) -> None:
        self.styles = Styles(models_folder)
        self.embeddings = Embeddings(embeddings_folder, models_folder / "embeddings")

    def ready(self, request: ImageRequest) -> ReadyWords:
        """Return a request's words as an engine gets them.

        Raises:
            BadRequest, UnknownChoice, ModelError: name the field, the tag, the style or the file.
        """
        notes: dict[str, str] = {}
        prompt, negative_prompt = self._styled(request, request.prompt, request.negative_prompt)
        again, negative_again = "", ""
        if request.hires and (request.hires.prompt or request.hires.negative_prompt):
            first = request.hires.prompt or request.prompt, request.hires.negative_prompt or request.negative_prompt
            again, negative_again = self._styled(request, *first)
        prompt, tags = take_tags(prompt)
        again, tags_again = take_tags(again)
        negative_prompt, unread = take_tags(negative_prompt)
        negative_again, unread_again = take_tags(negative_again)
        # Tags alone are no words: empty means the first pass's for whoever reads this in a picture's text.
        again = prompt if tags_again and not again.strip() else again
        negative_again = negative_prompt if unread_again and not negative_again.strip() else negative_again
        for text in (prompt, again):
            _check_parts(text)
        if unread:
            notes["LoRA passed over"] = f"{', '.join(tag.name for tag in unread)}: stands in the negative prompt"
        texts = (prompt, negative_prompt, again, negative_again)
        known = set(tags)
        loras = _loras(request.loras, (*tags, *(tag for tag in tags_again if tag not in known)))
        return ReadyWords(*texts, loras, self._embeddings(texts, notes), notes)

    def _styled(self, request: ImageRequest, prompt: str, negative_prompt: str) -> tuple[str, str]:
        styled = self.styles.apply(request.styles, prompt, negative_prompt)
        for name, text in zip(("prompt", "negative_prompt"), styled, strict=True):
            check_text(name, text)
        return styled

    def _embeddings(self, texts: Iterable[str], notes: dict[str, str]) -> tuple[tuple[str, str], ...]:
        found = self.embeddings.named_in(texts)
        passed = [f"{one.name} {one.problem}" for one in found if one.problem]
        if passed:
            notes["Embedding passed over"] = "; ".join(passed)[:300]
        return tuple((one.name, str(one.path)) for one in found if not one.problem)


def _loras(asked: tuple[Lora, ...], tags: Iterable[Tag]) -> tuple[Lora, ...]:
    """Return the LoRAs of the field and of the tags."""
    found = list(asked)
    for tag in tags:
        if tag.problem:
            raise BadRequest("prompt", f"the tag of {tag.name[:80]!r} {tag.problem}", "Write <lora:NAME:WEIGHT>")
        found.append(Lora(tag.name, tag.weight, tag.text_weight))
    return tuple(found)


def _check_parts(text: str) -> None:
    count = count_parts(text)
    if count > MAXIMUM_PARTS:
        raise BadRequest("prompt", f"AND joins {count} texts", f"Join at most {MAXIMUM_PARTS}")
