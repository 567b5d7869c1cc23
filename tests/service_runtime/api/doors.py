"""Every route that takes a body, with a small request that it grants, and where in it hostile values can be put."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.service_runtime.api.drawn import picture, text_of

Place = tuple[str | int, ...]
PICTURE = picture()
BASE64 = text_of(PICTURE)
BOUNDARY = "a-boundary-of-tests"


@dataclass(frozen=True)
class Door:
    """One route: `words`, `sides`, `pictures` and `ids` are the places of such values in its body or its form.

    `shape` says whether a body is an error as the route's dialect has it; `form` that it takes one instead of JSON;
    `path` may have ids in braces, for which `known` has values.
    """

    method: str
    path: str
    body: dict[str, Any]
    shape: Callable[[Any], bool]
    words: Sequence[Place] = ()
    sides: Sequence[Place] = ()
    pictures: Sequence[Place] = ()
    ids: Sequence[Place] = ()
    form: bool = False
    known: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How a test is called."""
        return f"{self.method} {self.path}{' form' if self.form else ''}"

    @property
    def url(self) -> str:
        """The path with its ids."""
        return self.path.format(**self.known)

    def with_value(self, place: Place, value: Any) -> dict[str, Any]:
        """Return the body with one value changed."""
        body = copy.deepcopy(self.body)
        inner: Any = body
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
        return body

    def encode(self, body: dict[str, Any]) -> bytes:
        """Return the bytes that go over the wire."""
        return form_of(body) if self.form else json.dumps(body).encode("utf-8", "surrogatepass")

    @property
    def content_type(self) -> str:
        """What those bytes are."""
        return f"multipart/form-data; boundary={BOUNDARY}" if self.form else "application/json"


def form_of(values: dict[str, Any]) -> bytes:
    """Return a multipart form; bytes are files, and everything else is text."""
    parts = []
    for name, value in values.items():
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
        if isinstance(value, bytes):
            parts.append(f'{head}; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'.encode() + value + b"\r\n")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            parts.append(f"{head}\r\n\r\n".encode() + text.encode("utf-8", "surrogatepass") + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def plain(said: Any) -> bool:
    """Our own errors, and A1111's."""
    return all(isinstance(said[name], str) for name in ("error", "body", "errors")) and bool(said["detail"])


def of_openai(said: Any) -> bool:
    """What OpenAI's clients raise as exceptions."""
    return set(said["error"]) == {"message", "type", "param", "code"} and bool(said["error"]["message"])


def of_models(said: Any) -> bool:
    """What both garret's own clients and OpenAI's read."""
    return of_openai(said) and {"detail", "body", "errors"} <= set(said)


def of_stability(said: Any) -> bool:
    """What Stability's clients read."""
    return all(isinstance(said[name], str) and said[name] for name in ("id", "name", "message"))


def of_sagemaker(said: Any) -> bool:
    """What StabilityPredictor takes for an error rather than for its own mistake."""
    return bool(said["result"] == "error") and of_stability(said["error"])


_SIDES: Sequence[Place] = (("width",), ("height",))
_WORDS: Sequence[Place] = (("prompt",), ("negative_prompt",))
_TEXTS = {"text_prompts": [{"text": "a"}], "width": 128, "height": 128, "steps": 10}
_ENGINE = {"engine_id": "stable-diffusion-xl-1024-v1-0"}
_MIXED: dict[str, Any] = {"text_prompts[0][text]": "a", "init_image": PICTURE, "steps": 10}
_DOWNLOAD = {"type": "lora", "url": "https://example.invalid/a.safetensors"}
_UPLOAD = {"type": "lora", "name": "a.safetensors", "size": 10, "sha256": "0" * 64}

DOORS = (
    Door(
        "POST",
        "/v1/jobs",
        {"prompt": "a", "start": {"image": BASE64, "mask": {"image": BASE64}}},
        plain,
        _WORDS,
        _SIDES,
        (("start", "image"), ("start", "mask", "image")),
    ),
    Door("POST", "/v1/jobs", {"upscale": {"image": BASE64}}, plain, pictures=(("upscale", "image"),)),
    Door("POST", "/v1/models", _DOWNLOAD, of_models, ids=(("name",), ("type",), ("sha256",), ("directory",))),
    Door("POST", "/v1/uploads", _UPLOAD, plain, (), (), (), (("name",), ("type",), ("sha256",), ("kind",))),
    Door("PUT", "/v1/settings", {"checkpoint": "tiny"}, plain, ids=(("checkpoint",),)),
    Door("PUT", "/v1/executions/{identifier}/secrets", {"tokens": {}}, plain, known={"identifier": "0" * 16}),
    Door(
        "PUT",
        "/machine/autostop",
        {},
        plain,
        ids=(("time_zone",), ("stop_by",)),
    ),
    Door("POST", "/machine/drain", {"seconds": 0}, plain),
    Door("POST", "/machine/hold", {"seconds": 1}, plain),
    Door("PUT", "/machine/prices", {"running_per_hour": 1.5}, plain, ids=(("currency",),)),
    Door("POST", "/v1/tokens", {"prompt": "a", "checkpoint": "tiny"}, plain, ids=(("checkpoint",),)),
    Door(
        "POST",
        "/sdapi/v1/txt2img",
        {"prompt": "a"},
        plain,
        _WORDS,
        (*_SIDES, ("batch_size",), ("steps",)),
    ),
    Door(
        "POST",
        "/sdapi/v1/img2img",
        {"prompt": "a", "init_images": [BASE64]},
        plain,
        _WORDS,
        _SIDES,
        (("init_images", 0), ("mask",)),
    ),
    Door("POST", "/sdapi/v1/png-info", {"image": BASE64}, plain, words=(("image",),)),
    Door(
        "POST",
        "/sdapi/v1/extra-single-image",
        {"image": BASE64, "upscaler_1": "Lanczos"},
        plain,
        sides=(("upscaling_resize",),),
        pictures=(("image",),),
        ids=(("upscaler_1",),),
    ),
    Door(
        "POST",
        "/sdapi/v1/extra-batch-images",
        {"imageList": [{"data": BASE64, "name": "a.png"}], "upscaler_1": "Lanczos"},
        plain,
        sides=(("upscaling_resize",),),
        pictures=(("imageList", 0, "data"),),
        ids=(("upscaler_1",),),
    ),
    Door("POST", "/sdapi/v1/options", {}, plain, ids=(("sd_model_checkpoint",),)),
    Door("POST", "/internal/progress", {"id_task": "a"}, plain),
    Door(
        "POST",
        "/v1/images/generations",
        {"prompt": "a"},
        of_openai,
        (("prompt",),),
        (("size",), ("n",)),
    ),
    Door(
        "POST",
        "/v1/images/edits",
        {"prompt": "a", "image": PICTURE},
        of_openai,
        (("prompt",),),
        (("size",), ("n",)),
        (("image",), ("mask",)),
        form=True,
    ),
    Door(
        "POST",
        "/v1/images/edits",
        {"prompt": "a", "images": [{"image_url": BASE64}], "mask": BASE64},
        of_openai,
        (("prompt",), ("negative_prompt",)),
        (("size",), ("n",), ("strength",)),
        (("images", 0, "image_url"), ("mask",)),
    ),
    Door(
        "POST",
        "/v1/images/variations",
        {"image": PICTURE},
        of_openai,
        (),
        (("size",), ("n",)),
        (("image",),),
        form=True,
    ),
    Door(
        "POST",
        "/invocations/optimised",
        _TEXTS,
        of_sagemaker,
        (("text_prompts", 0, "text"),),
        _SIDES,
        (("init_image",),),
    ),
    Door("POST", "/invocations/open", _TEXTS, of_sagemaker, (("text_prompts", 0, "text"),), _SIDES, (("init_image",),)),
    Door("POST", "/invocations", _TEXTS, of_sagemaker, (("text_prompts", 0, "text"),), _SIDES, (("init_image",),)),
    Door(
        "POST",
        "/endpoints/{endpoint}/invocations",
        _TEXTS,
        of_sagemaker,
        (("text_prompts", 0, "text"),),
        _SIDES,
        (("init_image",),),
        known={"endpoint": "sdxl"},
    ),
    Door(
        "POST",
        "/v1/generation/{engine_id}/image-to-image/upscale",
        {"image": PICTURE},
        of_stability,
        (),
        (("width",),),
        (("image",),),
        form=True,
        known={"engine_id": "esrgan-v1-x2plus"},
    ),
    Door(
        "POST",
        "/v1/generation/{engine_id}/text-to-image",
        _TEXTS,
        of_stability,
        (("text_prompts", 0, "text"),),
        _SIDES,
        known=_ENGINE,
    ),
    Door(
        "POST",
        "/v1/generation/{engine_id}/image-to-image",
        _MIXED,
        of_stability,
        (("text_prompts[0][text]",),),
        (("steps",), ("samples",)),
        (("init_image",),),
        form=True,
        known=_ENGINE,
    ),
    Door(
        "POST",
        "/v1/generation/{engine_id}/image-to-image/masking",
        {**_MIXED, "mask_source": "MASK_IMAGE_WHITE", "mask_image": PICTURE},
        of_stability,
        (("text_prompts[0][text]",),),
        (("steps",), ("samples",)),
        (("init_image",), ("mask_image",)),
        form=True,
        known=_ENGINE,
    ),
    Door("POST", "/generate", {"prompt": "a"}, plain, _WORDS, _SIDES),
    Door("POST", "/refine", {"id": "0" * 32, "prompt": "a"}, plain, (), (), (), (("id",),)),
    Door(
        "POST",
        "/predictions",
        {"input": {"prompt": "a", "image": BASE64, "mask": BASE64}},
        plain,
        (("input", "prompt"), ("input", "negative_prompt")),
        (("input", "width"), ("input", "height"), ("input", "num_outputs")),
        (("input", "image"), ("input", "mask")),
        (("id",),),
    ),
    Door(
        "PUT",
        "/predictions/{prediction_id}",
        {"input": {"prompt": "a"}},
        plain,
        (("input", "prompt"),),
        (("input", "width"),),
        known={"prediction_id": "a.hostile.one"},
    ),
)
"""New routes get a line here: a test holds the OpenAPI document to it."""
BY_DESIGN = (
    "/controlnet/detect",
    "/sdapi/v1/interrogate",
    "/sdapi/v1/create/embedding",
    "/sdapi/v1/create/hypernetwork",
    "/sdapi/v1/train/embedding",
    "/sdapi/v1/train/hypernetwork",
)
"""Those that say 501 whatever comes."""
FILES = ("/v1/inputs", "/v1/images/read", "/v1/models/{model_type}/{name}/preview", "/v1/uploads/{identifier}")
"""Those that take a file as it is."""
