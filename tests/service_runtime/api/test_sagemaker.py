"""SageMaker's SDXL endpoints over HTTP: the bodies of the published notebooks, in both schemas, and who is which."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from garret.service_runtime.idle import is_use
from tests.service_runtime.api.drawn import chosen, last_asked, picture, size_of, text_of
from tests.service_runtime.living import SDXL_TENSORS, Answer, Service, fake_settings, safetensors_bytes, serving

TITLE = "SageMaker"
PREDICTOR, NOTEBOOK = "application/json;png", "application/json"
WORDS = {"text_prompts": [{"text": "x"}], "steps": 1}


@pytest.fixture(scope="module")
def refining(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that has a refiner beside its checkpoint."""
    folder = tmp_path_factory.mktemp("refining")
    settings = fake_settings(folder, most_pictures=2, longest_prompt=500)
    words = "conditioner.embedders.0.model.token_embedding.weight"
    reader = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
    shapes = {reader: (2, 8), words: SDXL_TENSORS["conditioner.embedders.1.model.token_embedding.weight"]}
    (folder / "models/Stable-diffusion/zz_refiner.safetensors").write_bytes(safetensors_bytes(shapes))
    with serving(settings) as running:
        running.headers = {"Content-Type": "application/json"}
        yield running


def invoke(service: Service, body: Any, accept: str = "", route: str = "/invocations") -> Answer:
    """Ask for pictures."""
    return service.call("POST", route, body, **({"Accept": accept} if accept else {}))


@dataclass(frozen=True)
class Predicted:
    """What StabilityPredictor makes of an answer: its `GenerationResponse`, read by the rules that it has."""

    result: str
    artifacts: list[dict[str, Any]]
    error: dict[str, str] | None

    @classmethod
    def read(cls, said: dict[str, Any]) -> Predicted:
        """Read an answer, or fail where the predictor does."""
        artifacts = said.get("artifacts") or []
        for one in artifacts:
            assert isinstance(one["seed"], int)
            assert isinstance(one["base64"], str)
            assert isinstance(one["finishReason"], str)
        error = said.get("error")
        top = [said.get(name) for name in ("id", "name", "message")]
        if (error is None and said.get("result") == "error") or None not in top:
            assert all(isinstance(one, str) for one in top)
            error = dict(zip(("id", "name", "message"), top, strict=True))
        return cls(said["result"], artifacts, error)


OPTIMISED = [
    {"text_prompts": [{"text": "jaguar in the Amazon rainforest"}], "seed": 12345, "width": 1024, "height": 1024.0},
    {
        "text_prompts": [{"text": "photograph of latte art of a cat"}],
        "seed": 5, "height": 640, "width": 1536, "sampler": "DDIM",
    },
    {"text_prompts": [{"text": "teapot"}], "style_preset": "origami", "seed": 3, "height": 1024, "width": 1024},
    {
        "text_prompts": [{"text": "the word go written in neon lights"}], "style_preset": "neon-punk", "seed": 111,
        "height": 640, "width": 1536, "sampler": "DDIM",
    },
]  # fmt: skip


@pytest.mark.compatible(TITLE, "notebook sdxl-1-0-jumpstart", "text to image: sizes, samplers, style presets")
@pytest.mark.parametrize("body", OPTIMISED)
def test_the_bodies_of_stabilitys_notebook(service: Service, body: dict[str, Any]) -> None:
    """As StabilityPredictor sends them, and reads what comes back."""
    said = Predicted.read(invoke(service, {**body, "steps": 1}, PREDICTOR).json)
    (artifact,) = said.artifacts
    assert (said.result, said.error, artifact["seed"]) == ("success", None, body["seed"])
    assert artifact["finishReason"] == "SUCCESS"
    assert size_of(base64.b64decode(artifact["base64"])) == (body["width"], body["height"])
    made = last_asked(service)
    assert body["text_prompts"][0]["text"] in made["prompt"]
    assert (made["negative_prompt"] != "") == ("style_preset" in body)


@pytest.mark.compatible(TITLE, "notebook sdxl-1-0-jumpstart", "image to image with STEP_SCHEDULE")
def test_the_picture_of_stabilitys_notebook(service: Service) -> None:
    """Its strength of 0.8 says nothing in that mode, and its width and height, which are swapped, do not either."""
    body = {
        "text_prompts": [{"text": "cat in embroidery"}], "init_image": text_of(picture(1536, 640)), "cfg_scale": 9,
        "image_strength": 0.8, "seed": 42, "height": 1536, "width": 640, "init_image_mode": "STEP_SCHEDULE",
    }  # fmt: skip
    (artifact,) = Predicted.read(invoke(service, {**body, "steps": 1}, PREDICTOR).json).artifacts
    assert size_of(base64.b64decode(artifact["base64"])) == (1536, 640)
    assert last_asked(service)["start"]["denoise"] == 0.65


@pytest.mark.compatible(TITLE, "notebook image-generation-stable-diffusion", "SDXL 1.0 Open with its refiner")
def test_the_bodies_of_amazons_notebook(refining: Service) -> None:
    """One picture as `generated_image`; the refiner paints over it at its own strength and steps."""
    body = {
        "text_prompts": [{"text": "jaguar in the Amazon rainforest"}], "width": 1024, "height": 1024,
        "sampler": "DPMPP2MSampler", "cfg_scale": 7.0, "steps": 50, "seed": 133, "use_refiner": True,
        "refiner_steps": 40, "refiner_strength": 0.2,
    }  # fmt: skip
    answer = invoke(refining, body, NOTEBOOK)
    assert list(answer.json) == ["generated_image"]
    assert size_of(base64.b64decode(answer.json["generated_image"])) == (1024, 1024)
    made = last_asked(refining)
    assert chosen(made, ["sampler", "schedule", "steps", "seed"]) == ("DPM++ 2M", "legacy_ddpm", 50, 133)
    assert chosen(made["refiner"], ["checkpoint", "mode", "strength", "steps"]) == ("zz_refiner", "again", 0.2, 40)

    dog = text_of(picture(512, 512))
    body = {"text_prompts": [{"text": "dog in embroidery"}], "init_image": dog, "cfg_scale": 9, "image_strength": 0.8}
    answer = invoke(refining, {**body, "seed": 42}, NOTEBOOK)
    assert list(answer.json) == ["generated_image"]
    made = last_asked(refining)
    assert made["start"]["denoise"] == 0.8
    assert chosen(made, ["sampler", "schedule", "seed"]) == ("Euler", "legacy_ddpm", 42)
    assert made["refiner"]["strength"] == 0.15
    invoke(refining, {**WORDS, "use_refiner": False}, NOTEBOOK)
    assert last_asked(refining)["refiner"] is None


@pytest.mark.parametrize(
    ("said", "field"), [({"samples": 3}, "samples"), ({"text_prompts": [{"text": "x" * 501}]}, "text_prompts")]
)
def test_a_nodes_own_bounds_are_told_in_the_dialects_names(refining: Service, said: Any, field: str) -> None:
    """They are known behind the dialect, where its fields are called otherwise."""
    refused = invoke(refining, {**WORDS, **said}, PREDICTOR)
    assert refused.status == 400
    assert refused.json["message"].startswith(f"{field}: ")
    assert "more than this node makes" in refused.json["message"]


def test_a_node_without_a_refiner_says_so_only_when_it_is_asked_for_one(service: Service) -> None:
    """Pictures that nobody wants refined, or says nothing of, are made."""
    assert invoke(service, WORDS, NOTEBOOK).status == 200
    assert last_asked(service)["refiner"] is None
    refused = invoke(service, {**WORDS, "use_refiner": True}, NOTEBOOK)
    assert (refused.status, refused.json["message"][:12]) == (400, "use_refiner:")


@pytest.mark.compatible(TITLE, "HTTP", "both schemas, chosen by Accept or by route, never by guess")
@pytest.mark.parametrize(
    ("route", "accept", "answered", "denoise"),
    [
        ("/invocations", "application/json;png", "artifacts", 0.2),
        ("/invocations", "application/json; PNG;q=0.9", "artifacts", 0.2),
        ("/invocations", "application/json", "generated_image", 0.8),
        ("/invocations", "text/html, */*;q=0.8", "generated_image", 0.8),
        ("/invocations", "", "generated_image", 0.8),
        ("/invocations", "image/png", "picture", 0.2),
        ("/invocations/optimised", "application/json", "artifacts", 0.2),
        ("/invocations/optimised", "text/html", "artifacts", 0.2),
        ("/invocations/optimised", "image/png", "picture", 0.2),
        ("/invocations/open", "application/json;png", "generated_image", 0.8),
    ],
)
def test_image_strength_has_the_sense_of_the_schema(
    service: Service, route: str, accept: str, answered: str, denoise: float
) -> None:
    """The very same body means one thing here and the opposite there; who asks says which, in a header or a path."""
    body = {**WORDS, "init_image": text_of(picture()), "image_strength": 0.8, "seed": 7}
    answer = invoke(service, body, accept, route)
    assert answer.status == 200, answer.body
    if answered == "picture":
        told = [answer.headers[name] for name in ("content-type", "seed", "finish-reason")]
        assert told == ["image/png", "7", "SUCCESS"]
    else:
        assert answered in answer.json
    assert last_asked(service)["start"]["denoise"] == denoise


@pytest.mark.incompatible(TITLE, "another Accept at /invocations", "406: neither schema is guessed")
def test_an_accept_that_names_neither_is_refused(service: Service) -> None:
    """With those that there are."""
    refused = invoke(service, WORDS, "application/x-image")
    assert (refused.status, refused.json["error"]["name"]) == (406, "not_acceptable")
    assert "application/json;png" in refused.json["message"]


@pytest.mark.incompatible(TITLE, "fields of the other schema", "400: image_strength would mean its opposite")
@pytest.mark.parametrize(
    ("accept", "said", "way"),
    [
        (PREDICTOR, {"use_refiner": False}, "/invocations/open"),
        (NOTEBOOK, {"init_image_mode": "IMAGE_STRENGTH"}, "/invocations/optimised"),
        (NOTEBOOK, {"style_preset": "anime"}, "application/json;png"),
        (NOTEBOOK, {"samples": 2}, "/invocations/optimised"),
    ],
)
def test_a_field_of_the_other_schema_says_which_it_belongs_to(
    service: Service, accept: str, said: dict[str, Any], way: str
) -> None:
    """And how that schema is asked."""
    refused = invoke(service, {**WORDS, **said}, accept)
    assert refused.status == 400
    assert refused.json["message"].startswith(next(iter(said)))
    assert way in refused.json["message"]


def test_one_picture_is_what_the_open_schema_makes(service: Service) -> None:
    """So asking for one is no mistake; guidance up to 1 is none there."""
    assert invoke(service, {**WORDS, "samples": 1, "cfg_scale": 0.5}, NOTEBOOK).status == 200
    assert last_asked(service)["cfg_scale"] == 1


@pytest.mark.parametrize(
    ("source", "mask", "invert"),
    [
        ("MASK_IMAGE_WHITE", "white", False),
        ("MASK_IMAGE_BLACK", "black", True),
        ("INIT_IMAGE_ALPHA", "", False),
    ],
)
def test_masks_from_each_source(service: Service, source: str, mask: str, invert: bool) -> None:
    """Denoised as far as the strength says, as the container's own code has it."""
    body: dict[str, Any] = {**WORDS, "init_image": text_of(picture(colour=(255, 0, 0, 99), mode="RGBA"))}
    body |= {"mask_source": source, **({"mask_image": text_of(picture(colour=mask))} if mask else {})}
    assert Predicted.read(invoke(service, body, PREDICTOR).json).result == "success"
    start = last_asked(service)["start"]
    assert (start["denoise"], start["mask"]["invert"], start["mask"]["soft"]) == (0.65, invert, True)


@pytest.mark.compatible(TITLE, "HTTP", "error bodies by the rules of StabilityPredictor")
@pytest.mark.parametrize(
    ("accept", "said", "name", "field"),
    [
        (PREDICTOR, {"text_prompts": []}, "bad_request", "text_prompts"),
        (PREDICTOR, {"width": 100}, "invalid_height_or_width", "width"),
        (PREDICTOR, {"samples": 99}, "bad_request", "samples"),
        (PREDICTOR, {"image_strength": 2}, "bad_request", "image_strength"),
        (PREDICTOR, {"mask_source": "INIT_IMAGE_ALPHA"}, "bad_request", "init_image"),
        (PREDICTOR, {"init_image": "http://x/y.png"}, "bad_request", "init_image"),
        (PREDICTOR, {"init_image": 5}, "bad_request", "init_image"),
        ("image/png", {"samples": 2}, "invalid_samples", "samples"),
        (NOTEBOOK, {"sampler": "MagicSampler"}, "bad_request", "sampler"),
        (NOTEBOOK, {"image_strength": -0.1}, "bad_request", "image_strength"),
        (NOTEBOOK, {"seed": -1}, "bad_request", "seed"),
        (NOTEBOOK, {"height": 257}, "invalid_height_or_width", "height"),
        (NOTEBOOK, {"refiner_strength": 1.5}, "bad_request", "refiner_strength"),
    ],
)
def test_a_wrong_field_is_named(service: Service, accept: str, said: dict[str, Any], name: str, field: str) -> None:
    """In the shape that the predictor makes an error of, within `error` and beside it."""
    answer = invoke(service, {**WORDS, **said}, accept)
    read = Predicted.read(answer.json)
    assert (answer.status, read.result, read.artifacts) == (400, "error", [])
    assert read.error == answer.json["error"]
    assert read.error["name"] == name
    assert read.error["message"].startswith(field)


@pytest.mark.compatible(TITLE, "HTTP", "GET /ping: 200 when pictures can be made, 503 when not")
def test_ping_tells_whether_pictures_can_be_made(service: Service, refining: Service) -> None:
    """Only to who may ask; a node that is about to stop says when to ask again."""
    answer = service.call("GET", "/ping")
    assert (answer.status, answer.json) == (200, {"status": "Healthy"})
    assert service.call("GET", "/ping", Authorization="Bearer nobody").json["name"] == "unauthorized"
    assert refining.call("POST", "/machine/drain", {"seconds": 60}).status == 200
    try:
        answer = refining.call("GET", "/ping")
    finally:
        refining.call("POST", "/machine/drain", {"seconds": 0})
    assert (answer.status, answer.json["name"]) == (503, "service_unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_ping_is_no_use_of_the_node() -> None:
    """Whoever watches an endpoint asks for ever; a node that nobody else needs may still stop itself."""
    assert not is_use("/ping")
    assert is_use("/invocations")
