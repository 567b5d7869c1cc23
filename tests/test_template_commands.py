"""`garret template …` as a person types it: what it prints, and what it refuses."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from garret.cli import run
from garret.templates.checks import check_template

Ask = Callable[..., "Said"]


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        """The output as JSON."""
        return json.loads(self.output)


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return how one types `garret template …`, in a folder and with a home of its own."""
    monkeypatch.setenv("GARRET_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def typed(*arguments: str, stdin: str = "") -> Said:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = run(["template", *arguments])
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    return typed


def test_what_is_rendered_passes_its_own_validation(ask: Ask, tmp_path: Path) -> None:
    """From options and a file; the file's region and the option's zone."""
    (tmp_path / "studio.yaml").write_text("region: cn-shanghai\nallow_cidr: [203.0.113.7/32]\ntags: {team: studio}\n")
    arguments = ("--cloud", "aliyun", "--file", "studio.yaml", "--zone", "cn-shanghai-f", "-o", "out.yaml")
    assert ask("render", *arguments).code == 0
    text = (tmp_path / "out.yaml").read_text("utf-8")
    assert "cn-shanghai-f" in text
    assert "team" in text
    assert check_template(text) == []
    done = ask("validate", "out.yaml")
    assert (done.code, done.output.strip()) == (0, "out.yaml passes garret's checks")


def test_a_password_goes_in_as_a_salted_hash_only(ask: Ask) -> None:
    """And nobody's hash without one."""
    said = ask("render", "--cloud", "aliyun", "--public", "--password-stdin", "--json", stdin="Correct-horse-7\n")
    text = said.json["template"]
    assert "Correct-horse-7" not in text
    assert len(text) > 1000


def test_a_wrong_template_is_told_with_place_and_remedy(ask: Ask, tmp_path: Path) -> None:
    """Exit code 2; --json lists every finding."""
    (tmp_path / "bad.yaml").write_text(
        "ROSTemplateFormatVersion: '2015-09-01'\nResources:\n  A:\n    Type: ALIYUN::VPC::EIP\n"
        "    Properties: {Bandwith: 5}\n"
    )
    said = ask("validate", "bad.yaml", "--json")
    found = said.json
    assert (said.code, found["good"]) == (2, False)
    assert any("Bandwidth is meant?" in one["hint"] for one in found["findings"])


def test_each_finding_has_its_remedy(ask: Ask, tmp_path: Path) -> None:
    """As a person reads it: not the first one's only."""
    (tmp_path / "bad.yaml").write_text(
        "ROSTemplateFormatVersion: '2015-09-01'\nResources:\n  A:\n    Type: ALIYUN::VPC::EIP\n"
        "    Properties: {Bandwith: 5}\n  B:\n    Type: ALIYUN::ECS::VSwitch\n"
        "    Properties: {VpcId: vpc-1, ZoneId: cn-hangzhou-i}\n"
    )
    said = ask("validate", "bad.yaml")
    assert said.code == 2
    assert "Resources.A.Bandwith: Bandwidth is meant?" in said.errors
    assert "Resources.B: give it: CidrBlock" in said.errors


@pytest.mark.parametrize(
    ("flag", "field"),
    [
        ("--max-price", "max_price_per_hour"),
        ("--disk-size", "disk_size_gib"),
        ("--bandwidth", "bandwidth_mbps"),
        ("--port", "service_port"),
    ],
)
def test_a_nought_that_was_said_is_said(ask: Ask, flag: str, field: str) -> None:
    """A limit of 0 is refused as any wrong value is, and never taken for no limit."""
    said = ask("render", "--cloud", "local", flag, "0")
    assert said.code == 2
    assert f"error: {field}: 0" in said.errors


def test_the_name_may_stand_alone(ask: Ask) -> None:
    """As with `garret deploy NAME`."""
    said = ask("render", "film", "--cloud", "local")
    assert said.code == 0
    assert "deployment film" in said.output


def test_the_parameters_are_a_table_and_the_templates_a_list(ask: Ask) -> None:
    """With labels, defaults and limits; an unknown template names those there are."""
    said = ask("parameters", "--json").json
    names = {one["name"]: one for one in said["parameters"]}
    assert names["SystemDiskSize"]["limits"] == "100..32768"
    assert names["VpcId"]["label"]["zh-cn"] == "专有网络"
    listed = ask("list", "--json").json["templates"]
    assert [(one["name"], one["parameters"]) for one in listed] == [("service", len(names))]
