"""The user-data that a process node applies, and what it refuses by name."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path

import pytest
import yaml

from garret.local_cloud.nodes.cloud_config import Unsupported, parse_cloud_config
from garret.local_cloud.nodes.unit import BadUnit, read_unit


def text(**document: object) -> str:
    """Return cloud-config text."""
    return "#cloud-config\n" + yaml.safe_dump(document)


def test_files_and_commands_are_read(tmp_path: Path) -> None:
    """Plain and packed files keep content and mode; a line of text is a shell's."""
    packed = base64.b64encode(gzip.compress(b"packed")).decode()
    config = parse_cloud_config(
        text(
            write_files=[
                {"path": "/a", "content": "plain"},
                {"path": "/d/b", "content": packed, "encoding": "gz+b64", "permissions": "0700"},
            ],
            runcmd=[["echo", 1], "echo two"],
        )
    )
    config.write_files(tmp_path)
    assert (tmp_path / "a").read_text() == "plain"
    assert (tmp_path / "d/b").read_bytes() == b"packed"
    assert (tmp_path / "d/b").stat().st_mode & 0o777 == 0o700
    assert config.commands == (("echo", "1"), ("/bin/sh", "-c", "echo two"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("#!/bin/sh\necho no\n", "#cloud-config"),
        (text(packages=["jq"]), "packages"),
        (text(write_files=[{"path": "relative"}]), "relative"),
        (text(write_files=[{"path": "/a/../../b"}]), "absolute"),
        (text(write_files=[{"path": "/a", "owner": "root"}]), "owner"),
        (text(write_files=[{"path": "/a", "content": "x", "encoding": "rot13"}]), "rot13"),
        (text(write_files=[{"path": "/a", "content": "x", "encoding": "gz+b64"}]), "/a"),
        (text(runcmd=[{"a": 1}]), "runcmd"),
        ("#cloud-config\n- a\n", "mapping"),
        ("#cloud-config\n{", "YAML"),
    ],
)
def test_what_is_not_done_is_refused_by_name(data: str, words: str) -> None:
    """User-data that real cloud-init may know is refused here rather than half done."""
    with pytest.raises(Unsupported, match=words):
        parse_cloud_config(data)


def test_a_unit_says_what_has_no_effect(tmp_path: Path) -> None:
    """Settings that a process node cannot keep are named, and values are read as systemd reads them."""
    (tmp_path / "env").write_text('A="x \\" y"\nB=$literal\n# no\n')
    unit = tmp_path / "a.service"
    unit.write_text(
        f"[Service]\nUser=web\nExecStart=\"/bin/echo\" 'a b'\nEnvironmentFile={tmp_path}/env\nRestartSec=2\n"
    )
    read = read_unit(unit)
    assert read.command == ("/bin/echo", "a b")
    assert read.environment == {"A": 'x " y', "B": "$literal"}
    assert (read.restart_s, read.ignored) == (2.0, ("User",))
    unit.write_text("[Service]\nType=notify\nExecStart=/bin/true\n")
    with pytest.raises(BadUnit, match="notify"):
        read_unit(unit)
