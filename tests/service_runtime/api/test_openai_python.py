"""OpenAI's own Python client, sync and async, against a live service."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai
import PIL.Image
import pytest

from tests.service_runtime.api.drawn import last_asked, picture
from tests.service_runtime.conftest import TOKEN
from tests.service_runtime.living import Service, read_texts, wait

SMALL: dict[str, Any] = {"size": "64x64", "extra_body": {"steps": 2}}


def client_of(service: Service, **options: Any) -> openai.OpenAI:
    """Return the client of a service, which tries nothing again unless it is told to."""
    address = f"http://{service.host}:{service.port}/v1"
    return openai.OpenAI(base_url=address, **{"api_key": TOKEN, "max_retries": 0, **options})


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[openai.OpenAI]:
    """A client of the shared service."""
    with client_of(service) as one:
        yield one


def newest(service: Service) -> Any:
    """Return the job that was asked for last, or an empty record."""
    jobs = service.call("GET", "/v1/jobs?limit=1").json
    return next(iter(jobs["data"] if isinstance(jobs, dict) else jobs), {})


def opened(text: str | None) -> PIL.Image.Image:
    """Return the picture that an answer's Base64 is."""
    assert text is not None
    return PIL.Image.open(io.BytesIO(base64.b64decode(text)))


def holed() -> bytes:
    """Return a mask of which the left half is transparent."""
    picture = PIL.Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 32, 64))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.mark.compatible("OpenAI", "openai 3.54.0 (Python)", "images.generate: n, size, more fields by extra_body")
def test_generate(client: openai.OpenAI) -> None:
    """Pictures come as Base64 when nothing is said, with the fields that only garret has taken at the top level."""
    extra = {"seed": 7, "steps": 2, "negative_prompt": "blue", "guidance_scale": 4, "sampler": "DDIM"}
    reply = client.images.generate(model="gpt-image-1", prompt="a cat", n=2, size="64x128", extra_body=extra)
    assert reply.data is not None
    assert [opened(one.b64_json).size for one in reply.data] == [(64, 128)] * 2
    assert (reply.size, reply.output_format, reply.quality, reply.background) == ("64x128", "png", "medium", "opaque")
    assert reply.usage is not None
    assert reply.usage.total_tokens == 0
    assert abs(reply.created - time.time()) < 60
    said = read_texts(base64.b64decode(reply.data[1].b64_json or ""))["parameters"]
    assert "Negative prompt: blue" in said
    assert "Steps: 2, Sampler: DDIM" in said
    assert "CFG scale: 4, Seed: 8" in said


@pytest.mark.compatible("OpenAI", "openai 3.54.0 (Python)", "output_format and output_compression")
@pytest.mark.parametrize(("form", "kind"), [("jpeg", "JPEG"), ("webp", "WEBP"), ("png", "PNG")])
def test_formats(client: openai.OpenAI, form: Any, kind: str) -> None:
    """Each format is what it says, and less quality makes a smaller file."""
    sizes = []
    for compression in (100, 10 if form != "png" else 100):
        reply = client.images.generate(
            prompt="x", output_format=form, output_compression=compression, **{**SMALL, "size": "256x256"}
        )
        assert reply.data is not None
        picture = opened(reply.data[0].b64_json)
        assert (picture.format, reply.output_format) == (kind, form)
        sizes.append(len(reply.data[0].b64_json or ""))
    assert sizes[1] < sizes[0] or form == "png"


@pytest.mark.compatible("OpenAI", "openai 3.54.0 (Python)", "response_format url: a link that needs no login")
def test_urls(client: openai.OpenAI) -> None:
    """The address that is answered gives the picture to whoever has it."""
    reply = client.images.generate(prompt="x", n=2, response_format="url", **SMALL)
    assert reply.data is not None
    for one in reply.data:
        assert one.b64_json is None
        fetched = httpx2.get(one.url or "")
        assert fetched.headers["content-type"] == "image/png"
        assert PIL.Image.open(io.BytesIO(fetched.content)).size == (64, 64)


@pytest.mark.compatible("OpenAI", "openai 3.54.0 (Python)", "size auto, quality")
@pytest.mark.parametrize(("quality", "steps"), [("low", 15), ("auto", 30), ("hd", 45), ("max", 90)])
def test_size_auto_and_quality(client: openai.OpenAI, quality: Any, steps: int) -> None:
    """What is left open is as the model was made for it."""
    size: Any = "auto" if quality == "auto" else "64x64"
    reply = client.images.generate(prompt="x", quality=quality, size=size)
    assert reply.data is not None
    assert reply.size == ("1024x1024" if size == "auto" else "64x64")
    assert f"Steps: {steps}," in read_texts(base64.b64decode(reply.data[0].b64_json or ""))["parameters"]


@pytest.mark.compatible(
    "OpenAI",
    "openai 3.54.0 (Python)",
    "images.edit with a mask",
)
@pytest.mark.parametrize("several", [False, True])
def test_edit(client: openai.OpenAI, service: Service, several: bool) -> None:
    """The picture comes as `image` or `image[]`; what is transparent in the mask is what the job repaints."""
    image: Any = ("a.png", picture())
    reply = client.images.edit(
        image=[image] if several else image,
        mask=("mask.png", holed()),
        prompt="a cat",
        n=2,
        extra_body={"steps": 2, "seed": 5, "styles": [], "strength": 0.9},
    )
    assert reply.data is not None
    assert len(reply.data) == 2
    request = last_asked(service)
    assert (request["seed"], request["steps"], request["n_iter"]) == (5, 2, 2)
    assert request["start"]["denoise"] == 0.9
    assert request["start"]["mask"]["fill"] == "fill"


@pytest.mark.compatible("OpenAI", "openai 3.54.0 (Python)", "images.edit without a mask; input_fidelity")
@pytest.mark.parametrize(("fidelity", "denoise"), [("low", 0.75), ("high", 0.5), (None, 0.75)])
def test_edit_without_a_mask(client: openai.OpenAI, service: Service, fidelity: Any, denoise: float) -> None:
    """All of the picture is painted anew, less of it where its likeness is asked for; its size stays."""
    sent = picture(1152, 896) if fidelity is None else picture()
    size = openai.omit if fidelity is None else "64x64"
    chosen = openai.omit if fidelity is None else fidelity
    reply = client.images.edit(image=sent, prompt="a cat", size=size, input_fidelity=chosen, extra_body={"steps": 2})
    assert reply.size == ("1152x896" if fidelity is None else "64x64")
    start = last_asked(service)["start"]
    assert (start["denoise"], start["mask"]) == (denoise, None)


def test_a_pictures_own_transparency_is_its_mask(client: openai.OpenAI, service: Service) -> None:
    """As dall-e-2 had it: without a mask, what is cut out of the picture is painted."""
    client.images.edit(image=holed(), prompt="a cat", **SMALL)
    assert last_asked(service)["start"]["mask"] is not None


@pytest.mark.compatible("OpenAI", "openai 3.54.0 (Python)", "images.create_variation")
def test_variation(client: openai.OpenAI, service: Service) -> None:
    """It needs no words, and each picture has another seed."""
    reply = client.images.create_variation(image=picture(), n=2, size="256x256", extra_body={"steps": 2})
    assert reply.data is not None
    assert [opened(one.b64_json).size for one in reply.data] == [(256, 256)] * 2
    request = last_asked(service)
    assert (request["prompt"], request["start"]["denoise"]) == ("", 0.5)


@pytest.mark.compatible("OpenAI", "openai 3.54.0 (Python)", "models.list and models.retrieve")
def test_models(client: openai.OpenAI) -> None:
    """The models of the node are listed in OpenAI's shape, and asked for by their names."""
    names = [model.id for model in client.models.list()]
    assert "tiny" in names
    assert client.models.retrieve("tiny").object == "model"
    with pytest.raises(openai.NotFoundError, match="there is no checkpoint 'none-such'") as missing:
        client.models.retrieve("none-such")
    assert missing.value.code == "not_found"
    reply = client.images.generate(model="tiny", prompt="x", **SMALL)
    assert reply.to_dict()["model"] == "tiny"


@pytest.mark.compatible("OpenAI", "openai 3.54.0 (Python)", "AsyncOpenAI: generate, edit, variation, stream")
def test_async(service: Service) -> None:
    """The asynchronous client does the same, side by side."""

    async def all_four() -> list[Any]:
        address = f"http://{service.host}:{service.port}/v1"
        async with openai.AsyncOpenAI(base_url=address, api_key=TOKEN, max_retries=0) as client:
            return await asyncio.gather(
                client.images.generate(prompt="x", **SMALL),
                client.images.edit(image=picture(), prompt="x", **SMALL),
                client.images.create_variation(image=picture(), size="256x256", extra_body={"steps": 2}),
                whole(await client.images.generate(prompt="x", stream=True, **SMALL)),
            )

    async def whole(stream: Any) -> Any:
        return [event async for event in stream][-1]

    *replies, last = asyncio.run(all_four())
    assert (last.type, opened(last.b64_json).size) == ("image_generation.completed", (64, 64))
    sizes = [opened(reply.data[0].b64_json).size for reply in replies]
    assert sizes == [(64, 64), (64, 64), (256, 256)]


@pytest.mark.compatible("OpenAI", "openai 3.54.0 (Python)", "stream with partial_images, generate and edit")
@pytest.mark.parametrize("kind", ["image_generation", "image_edit"])
def test_stream(slow: Service, kind: str) -> None:
    """Partial images come on the way, in the format asked for, and the finished one at the end."""
    with client_of(slow) as client:
        images = client.images
        asked: Any = {"prompt": "x", "stream": True, "partial_images": 2, "output_format": "webp", "size": "64x64"}
        asked["extra_body"] = {"steps": 8, "seed": 3}
        events = list(images.generate(**asked) if kind == "image_generation" else images.edit(image=picture(), **asked))
    *partial, last = events
    assert [event.partial_image_index for event in partial] in ([0], [0, 1])
    assert {event.type for event in partial} == {f"{kind}.partial_image"}
    assert last.type == f"{kind}.completed"
    assert (last.size, last.output_format, last.usage.total_tokens) == ("64x64", "webp", 0)
    assert {opened(event.b64_json).format for event in events} == {"WEBP"}
    assert opened(last.b64_json).size == (64, 64)


def test_stream_of_several(client: openai.OpenAI) -> None:
    """Each picture is told when it is done, with its number and its seed."""
    events: Any = client.images.generate(prompt="x", n=3, stream=True, size="64x64", extra_body={"steps": 2, "seed": 1})
    told = [event.to_dict() for event in events]
    assert sorted((one["image_index"], one["seed"]) for one in told) == [(0, 1), (1, 2), (2, 3)]


@pytest.mark.compatible(
    "OpenAI",
    "openai 3.54.0 (Python)",
    "errors as its own exceptions, with param and code",
)
def test_errors(client: openai.OpenAI, service: Service, slow: Service) -> None:
    """Each has the client's own exception, the field as this API calls it, and what to do."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(prompt="x", size="1001x1000")
    error = refused.value
    assert (error.param, error.code, error.type) == ("size", "invalid_value", "invalid_request_error")
    assert "Try 1000" in error.message
    with client_of(service, api_key="wrong") as stranger, pytest.raises(openai.AuthenticationError) as unknown:
        stranger.images.generate(prompt="x")
    assert unknown.value.code == "invalid_api_key"
    assert "the token is wrong" in unknown.value.message
    lost = client.with_options(base_url=str(client.base_url).removesuffix("v1/"))
    with pytest.raises(openai.NotFoundError, match="ends in /v1"):
        lost.images.generate(prompt="x")
    with pytest.raises(openai.NotFoundError, match="GET /docs lists the routes"):
        client.chat.completions.create(model="sdxl", messages=[])
    with client_of(slow) as strict, pytest.raises(openai.NotFoundError) as missing:
        strict.images.generate(model="dall-e-3", prompt="x")
    assert (missing.value.param, missing.value.code) == ("model", "model_not_found")


@pytest.mark.compatible("OpenAI", "openai 3.54.0 (Python)", "429 with Retry-After: tried again by the client itself")
def test_a_full_queue_is_tried_again(slow: Service) -> None:
    """Where there is no room the client waits for as long as it is told, and gets its picture."""
    body = {"prompt": "before", "width": 64, "height": 64, "steps": 2}
    assert slow.call("POST", "/v1/jobs", body).status == 202
    with client_of(slow) as once, pytest.raises(openai.RateLimitError) as refused:
        once.images.generate(prompt="once", **SMALL)
    assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "rate_limit_error")
    assert int(refused.value.response.headers["retry-after"]) >= 1
    with client_of(slow, max_retries=5) as patient:
        assert patient.images.generate(prompt="again and again", **SMALL).data


def test_what_would_end_alike_is_not_tried_again(slow: Service) -> None:
    """A job that was cancelled on the way is told once, and not asked for again behind its owner's back."""
    with client_of(slow, max_retries=2) as client, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.images.generate, prompt="to be cancelled", **SMALL)
        wait(lambda: newest(slow).get("request", {}).get("prompt") == "to be cancelled", 10, "the job")
        job = newest(slow)["id"]
        assert slow.call("DELETE", f"/v1/jobs/{job}").json["cancelled"]
        error = asked.exception()
    assert isinstance(error, openai.ConflictError)
    assert newest(slow)["id"] == job


@pytest.mark.compatible("OpenAI", "openai 3.54.0 (Python)", "Idempotency-Key by extra_headers")
def test_a_repeated_request_makes_nothing_twice(client: openai.OpenAI) -> None:
    """Forms too: the boundary of the second one is another, and what it says is not."""
    for ask in (
        lambda key: client.images.generate(prompt="x", extra_headers=key, **SMALL),
        lambda key: client.images.edit(image=picture(), prompt="x", extra_headers=key, **SMALL),
    ):
        key = {"Idempotency-Key": f"k{id(ask)}"}
        first, again = ask(key), ask(key)
        assert first.to_dict()["garret_job"] == again.to_dict()["garret_job"]
        assert first.data[0].b64_json == again.data[0].b64_json


def test_a_stream_that_nobody_reads_ends_its_job(slow: Service) -> None:
    """When the caller of a stream goes, so does the job."""
    with client_of(slow) as client:
        stream: Any = client.images.generate(prompt="gone", stream=True, size="64x64")
        job = stream.response.headers["x-request-id"]
        stream.close()
    assert slow.call("GET", f"/v1/jobs/{job}?wait=10").json["state"] == "Cancelled"


def test_a_stream_tells_how_it_ended(slow: Service) -> None:
    """A job that ends without its pictures is an error that the client raises."""
    with client_of(slow) as client:
        stream: Any = client.images.generate(prompt="stopped", stream=True, size="64x64")
        assert slow.call("DELETE", f"/v1/jobs/{stream.response.headers['x-request-id']}").json["cancelled"]
        with pytest.raises(openai.APIError, match="cancelled by its owner"):
            list(stream)
