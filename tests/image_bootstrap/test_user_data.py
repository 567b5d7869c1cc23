"""User-data is small, plain cloud-config without a secret, and survives whatever the stack puts into it."""

from __future__ import annotations

import ast
import base64
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from garret.errors import TemplateError
from garret.image_bootstrap import first_stage
from garret.image_bootstrap.bundle import URL_LIMIT
from garret.image_bootstrap.node_config import NodeConfig
from garret.image_bootstrap.user_data import LIMIT_BYTES, SIGNAL_PLACEHOLDER, build_user_data, travelling
from garret.service_runtime.model_sources import LONGEST

SOURCE = Path(first_stage.__file__).read_text("utf-8")
CONFIG = NodeConfig(
    deployment="a" * 40, region="cn-hangzhou-finance-1", cloud="aliyun", bundle_sha256="0" * 64, bundle_size=10**6,
    service_port=65535, login="l" * 32, password_hash="scrypt$16384$8$5$" + "s" * 22 + "$" + "d" * 43,
    token_hash="sha256$" + "0" * 64,
)  # fmt: skip


def test_it_fits_with_the_longest_names_and_room_for_the_signal() -> None:
    """8,192 bytes, of which the stack's command takes its part."""
    assert len(build_user_data(CONFIG).encode()) <= LIMIT_BYTES - 600


@pytest.mark.parametrize(
    "models",
    [
        {"model": "h" * LONGEST, "model_sha256": "a" * 64},
        {"model": "sdxl", "model_sources": "s" * (300 + 4), "refiner": False},
    ],
    ids=["own", "sources"],
)
def test_it_fits_with_the_longest_words_about_models(models: dict[str, Any]) -> None:
    """A checkpoint's address with its hash, or five sources."""
    assert len(build_user_data(replace(CONFIG, **models)).encode()) <= LIMIT_BYTES - 600


def test_it_fits_with_the_longest_address_of_a_bundle_too() -> None:
    """A presigned one is long."""
    address = "https://" + "a1b2c3d4e5" * 60
    assert len(build_user_data(replace(CONFIG, bundle_url=address[:URL_LIMIT])).encode()) <= LIMIT_BYTES - 600


def test_it_is_the_same_text_every_time() -> None:
    """Or CreateStack with the same token would be refused after a crash."""
    assert build_user_data(CONFIG) == build_user_data(CONFIG)


def test_it_uses_only_the_keys_that_every_driver_knows() -> None:
    """write_files and runcmd, with lists of arguments."""
    document = yaml.safe_load(build_user_data(CONFIG))
    assert set(document) == {"write_files", "runcmd"}
    for entry in document["write_files"]:
        assert set(entry) <= {"path", "permissions", "encoding", "content"}
        assert entry["path"].startswith(("/var/lib/garret/", "/etc/systemd/system/"))
    assert all(isinstance(word, str) for command in document["runcmd"] for word in command)


def test_it_carries_configuration_and_first_stage() -> None:
    """Both read back to what they were."""
    files = {entry["path"]: entry for entry in yaml.safe_load(build_user_data(CONFIG))["write_files"]}
    node = files["/var/lib/garret/node.json"]
    assert (node["permissions"], NodeConfig.from_json(node["content"])) == ("0600", CONFIG)
    stage = files["/var/lib/garret/first_stage.py"]
    assert stage["encoding"] == "gz+b64"
    assert gzip.decompress(base64.b64decode(stage["content"])).decode() == travelling(SOURCE)


class _Bare(ast.NodeTransformer):
    """Takes the docstrings out of a tree."""

    def visit(self, node: ast.AST) -> ast.AST:
        """Drop a body's first statement when it is a text; what is empty then passes."""
        self.generic_visit(node)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return node


def test_the_first_stage_travels_without_its_docs_and_is_the_same_program() -> None:
    """Comments, docstrings and empty lines stay behind; every statement arrives, readable by an old Python."""
    light = travelling(SOURCE)
    assert ast.dump(ast.parse(light, feature_version=(3, 9))) == ast.dump(_Bare().visit(ast.parse(SOURCE)))
    assert "#" not in light.replace('"#', "")
    assert '"""' not in light
    assert travelling(light) == light
    assert set(light.splitlines()) - {"    pass"} <= {line.partition("  # ")[0] for line in SOURCE.splitlines()}


def test_any_command_can_take_the_placeholders_place() -> None:
    """The vendor's command holds single quotes, colons and braces; the text is replaced after it was written."""
    text = build_user_data(CONFIG)
    assert text.count(SIGNAL_PLACEHOLDER) == 1
    command = """curl -H 'a: b' -H "c: {d}" -X POST 'http://100.100.100.110/?x=1&y=%2F' # - | > \\"""
    files = {entry["path"]: entry for entry in yaml.safe_load(text.replace(SIGNAL_PLACEHOLDER, command))["write_files"]}
    signal = files["/var/lib/garret/signal"]
    assert (signal["content"].strip(), signal["permissions"]) == (command, "0600")


def test_one_byte_too_many_is_refused() -> None:
    """Here, and not by the cloud after half a stack."""
    with pytest.raises(TemplateError, match="7592 are allowed"):
        build_user_data(NodeConfig(**{**json.loads(CONFIG.to_json()), "deployment": "a" * 2000}))


def test_a_configuration_survives_its_json() -> None:
    """Written here, read on the node."""
    assert NodeConfig.from_json(CONFIG.to_json()) == CONFIG


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"colour": "red"}, "colour is not known"),
        ({"service_port": "443"}, "service_port should be int, not str"),
        ({"allow_private_download": 1}, "allow_private_download should be bool, not int"),
        ({"login": None}, "login should be str"),
    ],
)
def test_a_wrong_key_of_the_configuration_is_named(changes: dict[str, object], reason: str) -> None:
    """A node of another version says what it does not understand."""
    with pytest.raises(ValueError, match=reason):
        NodeConfig.from_json(json.dumps({**json.loads(CONFIG.to_json()), **changes}))


@pytest.mark.parametrize("text", ["", "[]", "{}", "{"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    """With a ValueError, never with a half-filled record."""
    with pytest.raises(ValueError):
        NodeConfig.from_json(text)
