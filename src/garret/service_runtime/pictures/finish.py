"""A picture as it came from a worker, made into what its caller gets: marked, labelled, with its text, as a file."""

from __future__ import annotations

from dataclasses import dataclass

from garret.service_runtime.chosen import OWN
from garret.service_runtime.extensions.safety import REASON
from garret.service_runtime.infotext import Facts, infotext
from garret.service_runtime.messages import Made
from garret.service_runtime.models import Models
from garret.service_runtime.pictures.encode import Texts, encode_picture, fits
from garret.service_runtime.pictures.label import label_text
from garret.service_runtime.pictures.watermark import is_large_enough, watermarked
from garret.service_runtime.prepare import Prepared
from garret.service_runtime.settings import ServiceSettings


@dataclass(frozen=True)
class Finished:
    """A file, its text, and what the caller should know about it."""

    file: bytes
    infotext: str
    notes: dict[str, str]


class Finisher:
    """Finishes pictures as the settings say; each call works on its own, in any thread of the API process."""

    def __init__(self, settings: ServiceSettings, models: Models) -> None:
        self._settings = settings
        self._models = models

    def finish(self, prepared: Prepared, index: int, made: Made, identity: str) -> Finished:
        """Return one picture of a request as its file; `identity` names the picture in its label, for good."""
        request, output, rgb = prepared.request, prepared.request.output, made.rgb
        notes = {**prepared.words.notes, **made.notes}
        text = infotext(request, index, facts_of(prepared, notes, self._models))
        if REASON in notes:
            # Notes are of the whole job, and another of its pictures may be there to be seen.
            notes[f"Picture {index}"] = f"kept back by the content filter ({notes.pop(REASON)})"
        marked = self._settings.watermark if output.watermark is None else output.watermark
        if marked and is_large_enough(made.width, made.height):
            rgb = watermarked(rgb, made.width, made.height)
        elif output.watermark:
            notes["Watermark"] = "none: a picture below 256 x 256 pixels carries none"
        if output.metadata and not fits(output, text):
            notes["Infotext"] = "not in the file: a JPEG has no room for so long a text"
        texts = Texts(text if output.metadata else "", self._label(identity))
        return Finished(encode_picture(rgb, made.width, made.height, output, texts), text, notes)

    def _label(self, identity: str) -> str:
        producer = self._settings.aigc_producer
        return label_text(producer, self._settings.aigc_propagator, identity) if producer else ""


def facts_of(prepared: Prepared, notes: dict[str, str], models: Models) -> Facts:
    """Return what a picture was made with, with hashes where they are known."""
    words, chosen = prepared.words, prepared.chosen
    vae, refiner = (chosen.vae, chosen.refiner) if chosen else (None, None)
    embeddings = {str(one.path): one.sha256 for one in models.all("embedding")} if words.embeddings else {}
    return Facts(
        model=prepared.model.name,
        model_hash=prepared.model.sha256,
        prompt=words.prompt,
        negative_prompt=words.negative_prompt,
        hires_prompt=words.hires_prompt,
        hires_negative_prompt=words.hires_negative_prompt,
        # Said when it was said: A1111 has no word for the checkpoint's own.
        vae=vae.name if vae else prepared.request.vae if prepared.request.vae.lower() == OWN else "",
        vae_hash=vae.sha256 if vae else "",
        refiner=refiner.name if refiner else "",
        loras=words.loras,
        lora_hashes={one.model.name: one.model.sha256 for one in chosen.loras} if chosen else {},
        embedding_hashes={word: embeddings.get(path, "") for word, path in words.embeddings},
        notes=notes,
    )
