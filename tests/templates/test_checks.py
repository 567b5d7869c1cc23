"""Every check says nothing about its good templates, and speaks up about each of its bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from garret.errors import TemplateError
from garret.templates import checks
from garret.templates.checks import CHECKS, RULES, Subject, check_template, require_good

FOLDER = Path(__file__).parent / "checks"
GOOD = sorted((FOLDER / "good").glob("*.yaml"))
BAD = sorted((FOLDER / "bad").glob("*.yaml"))


def findings_of(path: Path) -> list[checks.Finding]:
    """What the check named by the file's first part says about it."""
    text = path.read_text("utf-8")
    return list(CHECKS[path.stem.split("--")[0]](Subject(text, yaml.safe_load(text))))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_template_is_left_alone(path: Path) -> None:
    """No false alarm."""
    assert findings_of(path) == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_template_is_found_out(path: Path) -> None:
    """Each finding names a place, a problem and a next step."""
    findings = findings_of(path)
    assert findings
    for finding in findings:
        assert finding.check == path.stem.split("--")[0]
        assert finding.where
        assert finding.problem
        assert finding.hint


def test_every_check_has_both_kinds_of_templates() -> None:
    """A check without a bad template may never have fired."""
    for folder in ("good", "bad"):
        assert {path.stem.split("--")[0] for path in (FOLDER / folder).iterdir()} == set(CHECKS)


TWELVE = (
    "parameter-sensitive-noecho", "ecs-instance-meta-data-mode", "ecs-security-group-not-internet-cidr-access",
    "ecs-security-group-not-open-all-port", "ecs-security-group-not-open-all-protocol",
    "ecs-security-group-risky-ports", "ecs-instance-login-use-keypair", "ecs-disk-encrypted",
    "ecs-instance-tags-required", "ecs-internetmaxbandwidth", "ecs-instances-in-vpc", "eip-bandwidth-limit",
)  # fmt: skip


def test_the_twelve_rules_of_the_vendor_s_checker_have_a_check_each() -> None:
    """One file each, with good and bad templates by the test above."""
    assert sorted(RULES) == sorted(TWELVE)
    assert len(set(RULES.values())) == 12


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "golden").glob("*.yaml")), ids=lambda path: path.stem)
def test_our_own_templates_raise_no_alarm(path: Path) -> None:
    """Whatever options they were rendered with."""
    text = path.read_text("utf-8")
    assert check_template(text, public="0.0.0.0/0" in text and path.stem != "acme", acme=path.stem == "acme") == []


def test_every_check_is_in_a_file_of_its_own_with_its_reason() -> None:
    """The list of checks is the folder's list of files."""
    files = {path.stem for path in Path(checks.__file__).parent.glob("*.py")} - {"__init__", "finding"}
    assert files == {identity.replace("-", "_") for identity in CHECKS}
    for name in files:
        assert ": " in (getattr(checks, name).__doc__ or ""), f"{name} does not say why"


def test_a_template_larger_than_ros_takes_is_found_out() -> None:
    """524,288 bytes pass, one more does not."""
    text = "Resources: {}\n"
    padded = text + "#" * (524_288 - len(text))
    assert check_template(padded) == []
    (finding,) = check_template(padded + "#")
    assert (finding.check, finding.where) == ("size", "template")


def test_the_whole_internet_is_allowed_when_it_was_asked_for() -> None:
    """`public` silences only this one check."""
    text = (FOLDER / "bad" / "open-ingress--whole-internet.yaml").read_text("utf-8")
    assert "open-ingress" in {finding.check for finding in check_template(text)}
    assert "open-ingress" not in {finding.check for finding in check_template(text, public=True)}


@pytest.mark.parametrize("change", [("", ""), ("80/80", "81/81"), ("80/80", "443/443"), ("0.0.0.0/0", "0.0.0.0/1")])
def test_port_80_alone_is_open_to_everyone_when_a_public_certificate_was_asked_for(change: tuple[str, str]) -> None:
    """`acme` silences the check for this one rule as it stands, and for nothing near it."""
    golden = (Path(__file__).parent / "golden/acme.yaml").read_text("utf-8")
    text = golden.replace(*change) if change[0] else golden
    assert "open-ingress" in {finding.check for finding in check_template(text)}
    assert (check_template(text, acme=True) == []) is (text == golden)


@pytest.mark.parametrize("text", ["a: [", "just words", "- a list", "Resources: []"])
def test_what_is_no_template_is_said_to_be_none(text: str) -> None:
    """No traceback for a broken file."""
    (finding,) = check_template(text)
    assert finding.check == "readable"


def test_a_bad_template_is_refused_with_all_that_is_wrong() -> None:
    """The error lists every finding, so that a person mends them in one go."""
    text = (FOLDER / "bad" / "disk-encrypted--no.yaml").read_text("utf-8")
    with pytest.raises(TemplateError) as caught:
        require_good(text)
    assert "[disk-encrypted]" in caught.value.message
    assert "[metadata-tokens]" in caught.value.message
