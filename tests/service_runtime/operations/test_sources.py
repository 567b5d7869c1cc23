"""Models from CivitAI, Hugging Face, ModelScope and OSS, one or many: asked by their APIs, fetched by their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.png import encode_png
from tests.service_runtime.living import safetensors_bytes
from tests.service_runtime.operations.conftest import Bench
from tests.service_runtime.operations.hub import Hub, serving_hub

LORA = safetensors_bytes({"lora_te2_x.lora_down.weight": (400,)}, b"a")
DIGEST = hashlib.sha256(LORA).hexdigest()
SD1 = safetensors_bytes({"lora_unet_x_attn2_to_k.lora_down.weight": (4, 768), "lora_unet_x.y": (900, 5000)})
PNG = encode_png(b"\0" * 12, 2, 2, {})
DOORS = ("huggingface", "modelscope", "oss", "civitai")


@pytest.fixture
def hub() -> Iterator[Hub]:
    """All hubs in one."""
    with serving_hub() as running:
        yield running


def bring(bench: Bench, hub: Hub, **asked: Any) -> dict[str, Any]:
    """Have a LoRA brought."""
    return bench.output("download-model", endpoints=dict.fromkeys(DOORS, hub.url), **{"type": "lora"} | asked)


def refuse(bench: Bench, hub: Hub, **asked: Any) -> str:
    """Have a LoRA refused."""
    return bench.refusal("download-model", endpoints=dict.fromkeys(DOORS, hub.url), **{"type": "lora"} | asked)


def version(hub: Hub, **more: Any) -> dict[str, Any]:
    """A version of a model as CivitAI's API tells it."""
    hub.files["/api/download/models/8"] = LORA
    hub.files["/image.png"] = PNG
    files = [
        {"name": "ink.ckpt", "type": "Model", "primary": True, "downloadUrl": f"{hub.url}/pickle"},
        {"name": "ink-training.zip", "type": "Training Data", "downloadUrl": f"{hub.url}/zip"},
        {"name": "ink v2.safetensors", "type": "Model", "primary": False, "hashes": {"SHA256": DIGEST.upper()},
         "downloadUrl": f"{hub.url}/api/download/models/8"},
    ]  # fmt: skip
    images = [{"type": "video", "url": f"{hub.url}/v.mp4"}, {"type": "image", "url": f"{hub.url}/image.png"}]
    return {"id": 8, "modelId": 7, "baseModel": "SDXL 1.0", "files": files, "images": images} | more


def test_civitai_by_the_number_of_a_model(bench: Bench, hub: Hub) -> None:
    """Its newest version's safetensors file, called as there, held to the hash that CivitAI says."""
    hub.say("/api/v1/models/7", {"id": 7, "modelVersions": [{"id": 8}, {"id": 6}]})
    hub.say("/api/v1/model-versions/8", version(hub))
    facts = bring(bench, hub, **{"from": "civitai:7"})
    assert (facts["name"], facts["sha256"], facts["already_there"]) == ("ink v2", DIGEST, False)
    assert Path(facts["path"]).read_bytes() == LORA
    again = bring(bench, hub, **{"from": "civitai:7@8"}, name="other")
    assert (again["name"], again["already_there"], again["bytes_fetched"]) == ("other", True, 0)
    assert hub.count("/api/download/models/8") == 1


def test_civitais_token_stays_with_civitai(bench: Bench, hub: Hub) -> None:
    """It goes to its API and its own addresses, and to no other that its API may name."""
    asked = {"from": "civitai:@8", "token_env": "CIVITAI", "tokens": {"CIVITAI": "planted"}}
    hub.say("/api/v1/model-versions/8", version(hub))
    bring(bench, hub, **asked)
    assert {authorization for _, authorization in hub.asked} == {"Bearer planted"}
    with serving_hub() as elsewhere:
        elsewhere.files["/x"] = LORA
        file = {"name": "x.safetensors", "downloadUrl": f"{elsewhere.url}/x"}
        hub.say("/api/v1/model-versions/8", version(hub, files=[file]))
        bring(bench, hub, **asked, name="second")
        assert {authorization for _, authorization in elsewhere.asked} == {""}
    kept = [path for path in bench.settings.state_dir.rglob("*") if path.is_file()]
    assert not any(b"planted" in path.read_bytes() for path in kept)


def test_early_access_is_said_when_it_is_refused(bench: Bench, hub: Hub) -> None:
    """A 401 alone does not say whether a login would help."""
    hub.say("/api/v1/model-versions/8", version(hub, earlyAccessEndsAt="2099-01-02T00:00:00Z"))
    hub.statuses["/api/download/models/8"] = 401
    assert "early access until 2099-01-02" in refuse(bench, hub, **{"from": "civitai:7@8"})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("civitai:7@9", "404"),
        ("civitai:5@8", "belongs to CivitAI's model 7"),
        ("civitai:", "names no model"),
        ("civitai:ink", "names no model"),
        ("hf:me/mine/x.ckpt", "does not end in .safetensors"),
        ("hf:me/mine/../x.safetensors", "no path"),
        ("ftp:x", "is not known"),
    ],
)
def test_what_no_hub_has_is_said(bench: Bench, hub: Hub, source: str, said: str) -> None:
    """With the hub's status, or what is wrong with the name."""
    hub.say("/api/v1/model-versions/8", version(hub))
    assert said in refuse(bench, hub, **{"from": source})


def test_civitai_without_a_safetensors_file(bench: Bench, hub: Hub) -> None:
    """What it has instead is named: pickles are never fetched."""
    hub.say("/api/v1/model-versions/8", version(hub, files=[{"name": "old.ckpt", "downloadUrl": f"{hub.url}/pickle"}]))
    assert "it has: old.ckpt" in refuse(bench, hub, **{"from": "civitai:@8"})
    assert hub.count("/pickle") == 0


def test_a_preview_from_civitai(bench: Bench, hub: Hub) -> None:
    """The first picture of the version, beside the model of its name."""
    hub.say("/api/v1/model-versions/8", version(hub))
    wanted = {"from": "civitai:@8", "kind": "preview", "name": "ink"}
    assert "there is no model 'ink' in Lora" in refuse(bench, hub, **wanted)
    bring(bench, hub, **{"from": "civitai:@8"}, name="ink")
    facts = bring(bench, hub, **wanted)
    assert Path(facts["path"]) == bench.root / "Lora" / "ink.png"
    assert Path(facts["path"]).read_bytes() == PNG
    assert "has a preview already" not in str(bring(bench, hub, **wanted))
    assert not list((bench.root / ".incoming").iterdir())


def test_a_preview_from_an_address_is_a_picture(bench: Bench, hub: Hub) -> None:
    """Whatever it is called there; anything else is refused, and nothing stays of it."""
    hub.files |= {"/picture": PNG, "/page": b"<html>", "/model": LORA}
    asked = {"type": "checkpoint", "kind": "preview", "name": "tiny.safetensors"}
    for path, said in (("/page", "web page"), ("/model", "picture")):
        assert said in refuse(bench, hub, **asked, url=hub.url + path)
    bring(bench, hub, **asked, url=f"{hub.url}/picture")
    assert [path.name for path in (bench.root / "Stable-diffusion").glob("*.png")] == ["tiny.png"]
    assert not list((bench.root / ".incoming").iterdir())


def test_hugging_face_tells_the_hash_before_a_byte_is_fetched(bench: Bench, hub: Hub) -> None:
    """Its list of files has it; a model that is there by that hash is not fetched at all."""
    tree = [{"path": "sub/ink.safetensors", "lfs": {"oid": DIGEST, "size": len(LORA)}}, {"path": "sub/other"}]
    hub.say("/api/models/me/mine/tree/main/sub", tree)
    hub.files["/me/mine/resolve/main/sub/ink.safetensors"] = LORA
    source = {"from": "hf:me/mine/sub/ink.safetensors"}
    wrong = refuse(bench, hub, **source, sha256="ab" * 32)
    assert f"says its SHA-256 is {DIGEST}" in wrong
    assert hub.count("/me/mine/resolve/main/sub/ink.safetensors") == 0
    assert bring(bench, hub, **source)["sha256"] == DIGEST
    fetched = hub.count("/me/mine/resolve/main/sub/ink.safetensors")
    assert bring(bench, hub, **source, type="other", directory="styles/ink")["already_there"]
    assert hub.count("/me/mine/resolve/main/sub/ink.safetensors") == fetched


def test_a_hub_that_tells_no_hash_is_still_a_source(bench: Bench, hub: Hub) -> None:
    """Said in the record."""
    hub.files["/me/mine/resolve/v1/ink.safetensors"] = LORA
    ended = bench.run(
        "download-model", type="lora", endpoints={"huggingface": hub.url}, **{"from": "hf:me/mine@v1/ink.safetensors"}
    )
    assert ended.status == "Success"
    assert "did not tell the SHA-256" in ended.tasks[1]["note"]


def test_modelscope_tells_the_hash_as_well(bench: Bench, hub: Hub) -> None:
    """Its list of files carries Sha256; a file with other bytes is refused."""
    files = {"Data": {"Files": [{"Path": "ink.safetensors", "Sha256": DIGEST}]}}
    hub.say("/api/v1/models/me/mine/repo/files", files)
    hub.files["/api/v1/models/me/mine/repo"] = LORA
    assert bring(bench, hub, **{"from": "modelscope:me/mine/ink.safetensors"})["sha256"] == DIGEST
    hub.files["/api/v1/models/me/mine/repo"] = LORA[:-1] + b"b"
    bench.output("remove-model", name="ink", for_good=True)
    assert "was wanted" in refuse(bench, hub, **{"from": "modelscope:me/mine/ink.safetensors"})


def test_a_bucket_is_read_with_the_nodes_role(bench: Bench, hub: Hub) -> None:
    """Region and keys are the metadata's; without a role it is asked as anybody."""
    keys = {"AccessKeyId": "STS.x", "AccessKeySecret": "s", "SecurityToken": "t"}
    with serving_hub() as metadata:
        metadata.files |= {
            "/meta-data/region-id": b"cn-hangzhou",
            "/meta-data/ram/security-credentials/": b"role",
            "/meta-data/ram/security-credentials/role": json.dumps(keys).encode(),
        }
        hub.files["/my-bucket/sd/ink.safetensors"] = LORA
        bench.settings = replace(bench.settings, metadata_url=metadata.url)
        facts = bring(bench, hub, **{"from": "oss://my-bucket/sd/ink.safetensors"})
    assert facts["name"] == "ink"
    authorizations = {authorization for path, authorization in hub.asked if path.startswith("/my-bucket")}
    assert all(one.startswith("OSS4-HMAC-SHA256 Credential=STS.x/") for one in authorizations)


def test_what_was_fetched_twice_is_stored_once(bench: Bench, hub: Hub) -> None:
    """Where no hash was known beforehand, it is found when the file has come."""
    hub.files["/x"] = LORA
    first = bring(bench, hub, url=f"{hub.url}/x", name="first")
    second = bring(bench, hub, url=f"{hub.url}/x", name="second")
    assert second["bytes_fetched"] == len(LORA)
    assert Path(first["path"]).samefile(second["path"])
    assert [one["state"] for one in bench.output("verify-models", type="lora")["models"]] == ["whole", "whole"]


def test_a_refused_source_is_told_with_the_way_in(bench: Bench, hub: Hub) -> None:
    """A login for an address, the role for a bucket."""
    hub.statuses |= {"/x": 401, "/my-bucket/x.safetensors": 403}
    assert "--token-env NAME" in refuse(bench, hub, url=f"{hub.url}/x", name="x")
    with serving_hub() as metadata:
        metadata.files["/meta-data/region-id"] = b"cn-hangzhou"
        bench.settings = replace(bench.settings, metadata_url=metadata.url)
        assert "The node's role reads" in refuse(bench, hub, **{"from": "oss://my-bucket/x.safetensors"})


def test_another_family_is_refused_before_it_is_fetched(bench: Bench, hub: Hub) -> None:
    """By the names in its header: some of nine megabytes, and nothing of it stays; with force it comes."""
    hub.files["/old.safetensors"] = SD1
    said = refuse(bench, hub, url=f"{hub.url}/old.safetensors")
    assert "a LoRA for Stable Diffusion 1.x, and this service makes pictures with SDXL" in said
    assert "--force" in said
    assert [path for path in (bench.root / "Lora").rglob("*") if path.is_file()] == []
    assert bring(bench, hub, url=f"{hub.url}/old.safetensors", force=True)["family"] == "lora-sd1"


def test_many_come_at_once_and_one_that_fails_keeps_none_away(bench: Bench, hub: Hub) -> None:
    """Previews after their models, in whatever order they were listed; the record says what came and what did not."""
    hub.files |= {"/ink.safetensors": LORA, "/ink.png": PNG, "/page.safetensors": b"<html>"}
    listed = [
        {"type": "lora", "kind": "preview", "name": "ink", "url": f"{hub.url}/ink.png"},
        {"type": "lora", "url": f"{hub.url}/page.safetensors"},
        {"type": "lora", "url": f"{hub.url}/ink.safetensors"},
        {"type": "other", "directory": "copies", "url": f"{hub.url}/ink.safetensors", "sha256": DIGEST},
    ]
    ended = bench.run("download-model", models=listed)
    assert ended.status == "Failed"
    assert (ended.error or {})["message"].startswith("1 of 4 did not come: page.safetensors: ")
    assert [(one["name"], one["kind"], "error" in one) for one in ended.output["models"]] == [
        ("page.safetensors", "model", True), ("ink", "model", False), ("ink", "model", False),
        ("ink", "preview", False),
    ]  # fmt: skip
    assert ended.output["models"][2]["already_there"]
    assert (bench.root / "Lora" / "ink.png").read_bytes() == PNG
    del listed[1]
    again = bench.output("download-model", models=listed)
    assert all(one["bytes_fetched"] == 0 for one in again["models"] if one["kind"] == "model")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"models": []}, "1 to 500"),
        ({"models": [{"type": "lora"}]}, "models[1].url"),
        ({"models": [{"type": "lora", "url": "https://x/y", "from": "hf:a/b/c"}]}, "both were given"),
        ({"models": ["https://x"]}, "a table for each"),
        ({"models": [], "type": "lora"}, "type"),
        ({"type": "lora", "url": "https://x/y", "token_env": "T"}, "did not come with the request"),
        ({"type": "lora", "url": "https://x/y", "tokens": {"T": 1}}, "tokens"),
        ({"type": "lora", "url": "https://x/y", "endpoints": {"ecs": "https://x"}}, "endpoints"),
        ({"type": "lora", "url": "https://x/y", "kind": "preview"}, "belongs to a model by its name"),
        ({"type": "lora", "url": "https://x/y", "kind": "video"}, "kind"),
        ({"type": "lora", "url": "https://x/y", "force": 1}, "force"),
    ],
)
def test_a_wrong_request_is_refused_by_name(bench: Bench, parameters: dict[str, Any], said: str) -> None:
    """Before anything is fetched."""
    assert said in bench.refusal("download-model", **parameters)
