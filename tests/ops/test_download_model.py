"""What is asked of a node for its models: checked here, named by its option, and no more than was said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from garret.errors import UsageError
from garret.ops.download_model import Model, endpoints, parameters
from garret.ops.model_list import read_list
from garret.ops.model_secrets import tokens_of

URL = "https://host/x.safetensors"


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"where": "ftp://x/y"}, "--url"),
        ({"where": "https://user:word@host/x"}, "--url"),
        ({"where": "https://civitai.com/api/download/models/1?type=Model&token=0123"}, "--url: holds a token"),
        ({"where": "https://host/x?API_Key=0123"}, "--url: holds a API_Key"),
        ({"sha256": "12"}, "--sha256"),
        ({"name": "../x"}, "--name"),
        ({"name": ".."}, "--name"),
        ({"kind": "preview"}, "--kind preview"),
        ({"directory": "ControlNet"}, "--directory"),
        ({"token_env": "hf_a token"}, "--token-env"),
        ({"type": "pickle"}, "--type"),
        ({"where": "civitai:"}, "--url"),
        ({"where": "civitai:ink"}, "--url"),
        ({"where": "hf:owner/repo/x.ckpt"}, "--url"),
    ],
)
def test_a_wrong_download_is_refused_here(wrong: dict[str, str], option: str) -> None:
    """With the option's name, before the node hears of it."""
    asked: dict[str, Any] = {"type": "lora", "where": URL} | wrong
    with pytest.raises(UsageError, match=option):
        parameters(Model(**asked))


def test_a_download_says_only_what_was_said() -> None:
    """Options that were left out are left out of the request."""
    signed = "https://bucket.oss-cn-hangzhou.aliyuncs.com/x.safetensors?Expires=1&OSSAccessKeyId=a&Signature=b"
    assert parameters(Model("vae", signed))["url"] == signed
    assert parameters(Model("vae", URL)) == {"type": "vae", "url": URL}
    assert parameters(Model("vae", URL, "n", sha256="A" * 64))["sha256"] == "a" * 64
    assert parameters(Model("other", "oss://my-bucket/a/x.safetensors", directory="a/b", force=True)) == {
        "type": "other", "from": "oss://my-bucket/a/x.safetensors", "directory": "a/b", "force": True,
    }  # fmt: skip
    assert parameters(Model("lora", "civitai:1@2", "ink", "preview"))["kind"] == "preview"


@pytest.mark.parametrize(
    ("page", "meant"),
    [
        ("https://civitai.com/models/101055/sd-xl?modelVersionId=128078", "--from civitai:101055@128078"),
        ("https://civitai.com/models/101055", "--from civitai:101055"),
        ("https://huggingface.co/a/b/blob/main/sub/x.safetensors", "--from hf:a/b@main/sub/x.safetensors"),
    ],
)
def test_the_page_of_a_model_is_told_from_the_model(page: str, meant: str) -> None:
    """What a browser's address bar has is answered with what to type."""
    with pytest.raises(UsageError, match="the page of") as refused:
        parameters(Model("lora", page))
    assert refused.value.hint == meant


def test_an_address_does_not_go_with_from() -> None:
    """The options say what they take."""
    with pytest.raises(UsageError, match="names no hub"):
        parameters(Model("lora", URL), "--from")


def test_a_node_hears_of_hubs_in_other_places() -> None:
    """HF_ENDPOINT as Hugging Face's own tools have it; nothing for the public ones."""
    assert endpoints({"PATH": "/bin"}) == {}
    assert endpoints({"HF_ENDPOINT": "https://hf-mirror.com/"}) == {"huggingface": "https://hf-mirror.com"}
    assert endpoints({"HF_ENDPOINT": "https://a", "GARRET_ENDPOINT_HUGGINGFACE": "https://b"}) == {
        "huggingface": "https://b"
    }


USUAL = Model("lora", "")


def test_a_list_of_lines_names_many(tmp_path: Path) -> None:
    """Comments and empty lines are passed over; a line says what differs from the options."""
    file = tmp_path / "models.txt"
    file.write_text(f"# mine\n\n{URL}\ncivitai:7@8 name=ink type=checkpoint force=yes  # why\n", "utf-8")
    assert read_list(file, USUAL) == [
        Model("lora", URL),
        Model("checkpoint", "civitai:7@8", "ink", force=True),
    ]


@pytest.mark.parametrize("outer", ["{}", "models:\n{}"])
def test_a_list_in_yaml_names_many(tmp_path: Path, outer: str) -> None:
    """Tables and addresses, bare or below `models`."""
    file = tmp_path / "models.yaml"
    file.write_text(outer.format(f"- {URL}\n- {{type: vae, from: 'hf:a/b/x.safetensors', sha256: '{'a' * 64}'}}\n"))
    assert read_list(file, USUAL) == [
        Model("lora", URL),
        Model("vae", "hf:a/b/x.safetensors", sha256="a" * 64),
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.txt", "", "0 models"),
        ("m.txt", "https://host/x nonsense=1", "'nonsense'"),
        ("m.yaml", "- {type: lora}", "exactly one of url and from"),
        ("m.yaml", "- {url: a, from: b}", "exactly one of url and from"),
        ("m.yaml", "- [1]", "entry 1 is neither"),
        ("m.yaml", "- {url: 'https://host/x', name: 7}", "name must be text"),
        ("m.yaml", "- {url: 'https://host/x', force: 2}", "force"),
        ("m.yaml", "a: b", "not a list"),
        ("m.yaml", "- 'a", "not YAML"),
    ],
)
def test_a_wrong_list_is_refused_with_its_entry(tmp_path: Path, name: str, text: str, said: str) -> None:
    """By the file's name and the entry's number."""
    file = tmp_path / name
    file.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=said):
        read_list(file, USUAL)


def test_a_list_without_types_needs_one(tmp_path: Path) -> None:
    """In the entry or as an option."""
    file = tmp_path / "m.txt"
    file.write_text(URL)
    with pytest.raises(UsageError, match="has no type"):
        read_list(file, Model("", ""))


def test_a_token_comes_from_the_environment() -> None:
    """By its name; an empty one is none."""
    assert tokens_of(["A", "A", "B"], {"A": "1", "B": "2\n"}) == {"A": "1", "B": "2"}
    with pytest.raises(UsageError, match="C is not set"):
        tokens_of(["C"], {"C": " "})
