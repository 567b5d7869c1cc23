"""What may be said of a model's source, and which addresses that means; nothing here is asked of anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from garret.service_runtime.known_models import KNOWN, SDXL_BASE, SDXL_REFINER, SDXL_VAE, gigabytes, known_files
from garret.service_runtime.model_sources import (
    Endpoints,
    WrongSource,
    addresses,
    default_checkpoint,
    default_sources,
    parse_model,
    parse_source,
    readable_objects,
    wanted_files,
)

PUBLIC = Endpoints()


def urls(text: str, region: str = "cn-hangzhou", file: object = SDXL_BASE, endpoints: Endpoints = PUBLIC) -> list[str]:
    """The addresses of a known file at a source."""
    return [one.url for one in addresses(file, parse_source(text), region, endpoints)]  # type: ignore[arg-type]


def own(text: str, region: str = "cn-hangzhou") -> list[str]:
    """The addresses of a checkpoint of one's own."""
    found = parse_model(text)
    assert found is not None
    return [one.url for one in addresses(found.file, found.source, region, PUBLIC)]


def test_the_table_of_known_models_is_whole() -> None:
    """Every file has a size, a hash of 64 digits, a licence, a name of its own and two homes."""
    files = known_files("sdxl")
    assert [file.role for file in files] == ["base", "refiner", "VAE"]
    assert len({file.name for file in files} | {file.sha256 for file in files}) == 6
    for file in files:
        assert len(file.sha256) == 64
        assert int(file.sha256, 16)
        assert file.size > 300_000_000
        assert file.licence
        assert file.name.endswith(".safetensors")
        assert file.huggingface
        assert file.modelscope
        assert len(file.huggingface.revision) == 40  # a commit: what is under it does not change
    assert SDXL_REFINER not in known_files("sdxl", refiner=False)
    assert known_files("demo") == ()


def test_the_manual_shows_the_table() -> None:
    """Names, sizes and hashes as in the table, for people who fill a folder of their own."""
    manual = (Path(__file__).parents[2] / "docs/what-the-bootstrap-does.md").read_text("utf-8")
    for file in known_files("sdxl"):
        row = next(line for line in manual.splitlines() if line.startswith(f"| `{file.name}` |"))
        assert f"| {file.size:,} | `{file.sha256}` | {file.licence} |" in row


def test_hugging_face_and_its_mirrors_are_asked_for_a_pinned_revision() -> None:
    """The hub's resolve address; a mirror answers to the same path."""
    path = (
        "/stabilityai/stable-diffusion-xl-base-1.0/resolve/462165984030d82259a11f4367a4eed129e94a7b"
        "/sd_xl_base_1.0.safetensors"
    )
    assert urls("huggingface") == [f"https://huggingface.co{path}"]
    assert urls("mirror:https://hub.example/") == [f"https://hub.example{path}"]
    assert parse_source("mirror:https://hub.example").said == "the mirror hub.example"


def test_modelscope_is_asked_by_its_api() -> None:
    """The one whose answer takes ranges; the VAE has another name there than on the node."""
    assert urls("modelscope", file=SDXL_VAE) == [
        "https://www.modelscope.cn/api/v1/models/AI-ModelScope/sdxl-vae-fp16-fix/repo"
        "?Revision=master&FilePath=sdxl.vae.safetensors"
    ]


def test_a_bucket_is_read_inside_its_region_first() -> None:
    """Where traffic is free; a bucket elsewhere has its public name only."""
    assert urls("oss://my-models/sd/xl/", "cn-beijing", SDXL_VAE) == [
        "https://my-models.oss-cn-beijing-internal.aliyuncs.com/sd/xl/sdxl-vae-fp16-fix.safetensors",
        "https://my-models.oss-cn-beijing.aliyuncs.com/sd/xl/sdxl-vae-fp16-fix.safetensors",
    ]
    assert urls("oss://my-models", "cn-beijing")[0].endswith("-internal.aliyuncs.com/sd_xl_base_1.0.safetensors")
    elsewhere = "oss://my-models.oss-ap-southeast-1.aliyuncs.com/sd"
    assert urls(elsewhere, "cn-beijing") == [
        "https://my-models.oss-ap-southeast-1.aliyuncs.com/sd/sd_xl_base_1.0.safetensors"
    ]
    assert len(urls(elsewhere, "ap-southeast-1")) == 2
    assert urls("oss://my-models/sd", endpoints=Endpoints(oss="http://127.0.0.1:9")) == [
        "http://127.0.0.1:9/my-models/sd/sd_xl_base_1.0.safetensors"
    ]


def test_a_folder_on_the_web_holds_the_files_under_their_names() -> None:
    """With or without a slash at its end."""
    assert urls("https://files.example/models/") == ["https://files.example/models/sd_xl_base_1.0.safetensors"]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("hf:me/mine/x.safetensors", "https://huggingface.co/me/mine/resolve/main/x.safetensors"),
        ("hf:me/mine@v1.2/sub/x.safetensors", "https://huggingface.co/me/mine/resolve/v1.2/sub/x.safetensors"),
        (
            "modelscope:me/mine@v1/x y.safetensors",
            "https://www.modelscope.cn/api/v1/models/me/mine/repo?Revision=v1&FilePath=x%20y.safetensors",
        ),
        ("https://files.example/a/x.safetensors?download=true", "https://files.example/a/x.safetensors?download=true"),
        ("oss://mine/a/x.safetensors", "https://mine.oss-cn-hangzhou-internal.aliyuncs.com/a/x.safetensors"),
    ],
)
def test_a_checkpoint_of_one_s_own_says_where_it_is(text: str, url: str) -> None:
    """Each form, and its first address."""
    assert own(text)[0] == url
    assert default_checkpoint(text) == wanted_files(text, "", True)[0].stem
    assert wanted_files(text, "AB" * 32, True)[0].sha256 == "ab" * 32


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sd15", "is not known"),
        ("http://files.example/x.safetensors", "is not known"),
        ("https://files.example/x.ckpt", "does not end in .safetensors"),
        ("https://files.example/api/download/models/128078", "does not end in .safetensors"),
        ("https://me:word@files.example/x.safetensors", "holds a login"),
        ("https://files.example/x.safetensors?token=abc", "'token', which may be a key"),
        ("https://b.oss-cn-beijing.aliyuncs.com/x.safetensors?Expires=1&Signature=x", "'Expires', which may be a key"),
        ("https://files.example:x/x.safetensors", "cannot be read"),
        ("https://files.example/a b.safetensors", "only whole https"),
        ("https://files.example/.safetensors", "does not end in"),
        ("https://files.example/%2e%2e%2f%0a.safetensors", "is no name for a model"),
        ("hf:me/x.safetensors", "is not known"),
        ("hf:me/mine/../x.safetensors", "is no path in a repository"),
        ("hf:me/mine/x.safetensors?y", "is no path in a repository"),
        ("oss://Not_A_Bucket/x.safetensors", "is not a bucket"),
        ("oss://mine/../x.safetensors", "is no key"),
        ("https://files.example/" + "a" * 500 + ".safetensors", "240 are the most"),
    ],
)
def test_a_wrong_model_is_refused_with_the_reason(text: str, reason: str) -> None:
    """Nothing that could hold a key gets as far as a file that others read."""
    with pytest.raises(WrongSource, match=reason) as caught:
        parse_model(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://x", "is no source"),
        ("mirror:http://hub.example", "only whole https"),
        ("https://files.example/models?x=1", "'x', which may be a key"),
        ("https://files.example/models?download=1", "has no `\\?`"),
        ("oss://-/x", "is not a bucket"),
        ("https://files.example/" + "a" * 500, "240 are the most"),
    ],
)
def test_a_wrong_source_is_refused_with_the_reason(text: str, reason: str) -> None:
    """And with what a source looks like."""
    with pytest.raises(WrongSource, match=reason) as caught:
        parse_source(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("region", "first"),
    [("cn-hangzhou", "modelscope"), ("cn-hongkong", "huggingface"), ("ap-southeast-1", "huggingface")],
)
def test_the_nearest_hub_comes_first(region: str, first: str) -> None:
    """Hugging Face is out of reach in mainland China, and Hong Kong is not mainland."""
    assert default_sources(region)[0] == first
    assert sorted(default_sources(region)) == ["huggingface", "modelscope"]


def test_only_what_lies_in_buckets_needs_a_role() -> None:
    """A folder with all in it, or one object."""
    assert readable_objects("sdxl", ("modelscope", "oss://mine/sd", "oss://other")) == ("mine/sd/*", "other/*")
    assert readable_objects("oss://mine/a/x.safetensors", ()) == ("mine/a/x.safetensors",)
    assert readable_objects("hf:me/mine/x.safetensors", ()) == ()
    assert readable_objects("demo", ()) == ()


def test_the_hubs_addresses_can_be_set() -> None:
    """As other endpoints can; what is not set keeps its default."""
    found = Endpoints.from_environment({"GARRET_ENDPOINT_HUGGINGFACE": "http://127.0.0.1:1/", "PATH": "x"})
    assert (found.huggingface, found.modelscope) == ("http://127.0.0.1:1", PUBLIC.modelscope)


def test_sizes_are_told_as_downloads_are() -> None:
    """Decimal, with one digit."""
    assert [gigabytes(size) for size in (6_938_078_334, 334_641_162, 9_400_000)] == ["6.9 GB", "0.3 GB", "9.4 MB"]
    assert {"sdxl", "demo"} == set(KNOWN)
