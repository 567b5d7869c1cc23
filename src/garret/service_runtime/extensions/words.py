"""The hook `prompt`: a request's words changed before it becomes a job."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from garret.service_runtime.extensions.loading import Extensions, expect
from garret.service_runtime.request import ImageRequest

if TYPE_CHECKING:
    from garret.service_runtime.extensions.v1 import Words

LIMIT_S = 10.0


async def change_words(extensions: Extensions, request: ImageRequest) -> ImageRequest:
    """Return the request as it is to be made; ExtensionFailed names who could not do its part."""
    extensions.check(("prompt", "image"))
    if not extensions.has("prompt"):
        return request
    # Here, where somebody implements a hook of it, the interface is loaded already.
    from garret.service_runtime.extensions.v1 import Words

    words = Words(request.prompt, request.negative_prompt)
    rest = {key: value for key, value in request.to_dict().items() if key not in ("prompt", "negative_prompt")}

    def check(value: object) -> Words:
        changed = expect(value, Words, "prompt")
        _with(request, changed)
        return changed

    return _with(request, await asyncio.to_thread(extensions.chain, "prompt", words, LIMIT_S, check, request=rest))


def _with(request: ImageRequest, words: Words) -> ImageRequest:
    """Return the request with other words; refuses what no request may have."""
    return replace(request, prompt=words.prompt, negative_prompt=words.negative_prompt)
