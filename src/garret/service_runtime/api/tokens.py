"""How many tokens a prompt has, and what in it is not read as it was meant: what a page shows while somebody types."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime.api import fields
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import Schema, answer, body, field, listed, record
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.prompt.problems import ERROR, WARNING
from garret.service_runtime.service import Service
from garret.service_runtime.token_counts import TokenCounts

_TEXTS = ("prompt", "negative_prompt")
_MOST_STYLES = 64
_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0}
_PLACE: Schema = {"type": "integer", "minimum": 0}
_ENCODER = record(
    {"name": {"enum": ["text_encoder", "text_encoder_2"]}, "tokens": _PLACE, "chunks": _PLACE},
    required=("name", "tokens", "chunks"),
)
_PROBLEM = record(
    {
        "at": {**_PLACE, "description": "the first character that it is about, counted from 0 in Unicode code points"},
        "length": _PLACE,
        "severity": {"enum": [ERROR, WARNING], "description": "error: such a request is refused"},
        "problem": {"type": "string"},
        "hint": {"type": "string"},
    },
    required=("at", "length", "severity", "problem", "hint"),
)
_TEXT = record(
    {
        "characters": _PLACE,
        "tokens": {**_COUNT, "description": "of the encoder that has the most; null when they cannot be counted"},
        "chunks": {**_COUNT, "description": "at least 1; each is read by itself"},
        "encoders": {"type": "array", "items": _ENCODER},
        "problems": {"type": "array", "items": _PROBLEM},
    },
    required=("characters", "tokens", "chunks", "encoders", "problems"),
)
_ANSWER = record(
    {
        "checkpoint": {"type": "string"},
        "chunk_size": {"const": 75},
        "reason": {"type": "string", "description": "why tokens cannot be counted; empty when they are"},
        **dict.fromkeys(_TEXTS, _TEXT),
    },
    required=("checkpoint", "chunk_size", "reason"),
)
_BODY = body(
    record(
        {
            "prompt": field("string", "counted where it is said"),
            "negative_prompt": field("string", "counted where it is said"),
            "checkpoint": field("string", "whose tokenizers count; empty: the default one's"),
            "styles": listed({"type": "string"}, "what is put around the texts before they are counted"),
        }
    ),
    example={"prompt": "a red circle"},
)


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix="/v1/tokens", tags=["jobs"])
    settings = service.settings
    counts = TokenCounts(service.models, service.vocabulary, settings.config_dir, settings.longest_prompt)
    two_at_a_time = asyncio.Semaphore(2)

    @routes.post("", responses={200: answer("The counts", _ANSWER)}, openapi_extra=_BODY)
    async def count_tokens(request: Request) -> dict[str, Any]:
        """Count the tokens of a prompt and of a negative one, for each text encoder, and say what is wrong where.

        Chunks of 75 tokens are read at once; BREAK begins a new one. Tags of LoRAs are no tokens, embeddings have one
        for each vector; of what changes from step to step the longest counts. Nothing is kept.
        """
        said = await read_json(request, settings.client_timeout_s)
        texts = {name: fields.text(said, name) for name in _TEXTS if said.get(name) is not None}
        for name, text in texts.items():
            _check(name, text)
        checkpoint, styles = fields.text(said, "checkpoint"), fields.texts(said, "styles")
        if len(styles) > _MOST_STYLES:
            raise BadRequest("styles", f"are {len(styles)}", f"At most {_MOST_STYLES}")
        async with two_at_a_time:
            return await asyncio.to_thread(counts.of, texts, checkpoint, styles)

    return routes


def _check(name: str, text: str) -> None:
    """Refuse what is no text; one that is too long is told of in the answer."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRequest(name, "holds half of a surrogate pair, which is no character", "Send valid Unicode") from None
