"""What this machine remembers of a deployment."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest

from garret.errors import OperationError, SpecError, UsageError
from garret.ops.deployment import generate_password, named, new_login, node_facts, opened, same_password
from garret.spec import check_password
from tests.ops.fake import deployment_in


def test_made_passwords_keep_the_rule_and_differ() -> None:
    """The cloud's rule holds for each, and no two are the same."""
    made = {generate_password() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        assert check_password(password) == password
        assert set(password) <= set(string.ascii_letters + string.digits)


def test_a_login_shows_no_secret() -> None:
    """Printed by accident, it says only who."""
    login = new_login("admin", "Correct-horse-7")
    assert repr(login) == "Login('admin', …)"
    assert login.password == ""
    assert same_password(login, "Correct-horse-7")
    assert not same_password(login, "Correct-horse-8")
    with pytest.raises(SpecError, match="password"):
        new_login("admin", "short")


def test_the_only_deployment_need_not_be_named(tmp_path: Path) -> None:
    """One is meant by itself; of several, the one called garret; else it must be said."""
    folder = tmp_path / "deployments/local"
    assert named(folder, None).name == "garret"
    deployment_in(tmp_path, "one").journal.append("planned")
    assert named(folder, None).name == "one"
    deployment_in(tmp_path, "two").journal.append("planned")
    with pytest.raises(UsageError, match="one, two"):
        named(folder, None)
    deployment_in(tmp_path, "garret").journal.append("planned")
    assert named(folder, None).name == "garret"
    assert named(folder, "two").name == "two"


@pytest.mark.parametrize("name", ["../x", "a/b", "", "Ü", "A", "-x", "x" * 41])
def test_a_name_that_is_none_becomes_no_folder(tmp_path: Path, name: str) -> None:
    """A name is checked before it is a path."""
    with pytest.raises(SpecError, match="name"):
        named(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrap", [
    lambda facts: {"node": json.dumps(facts)},
    lambda facts: json.dumps({"node": json.dumps(facts)}),
    lambda facts: json.dumps({"node": facts}),
    lambda facts: facts,
])  # fmt: skip
def test_node_facts_are_found_however_they_are_wrapped(wrap: object) -> None:
    """The stack hands on what the node said as text within text."""
    facts = {"service": {"port": 443}, "tls_sha256": "ab" * 32}
    outputs = {"NodeFacts": wrap(facts), "EndPoint": "https://x"}  # type: ignore[operator]
    assert node_facts(outputs) == facts
    login = opened(new_login("admin", None), outputs)
    assert (login.endpoint, login.tls_sha256) == ("https://x", "ab" * 32)


@pytest.mark.parametrize("value", [None, "", "no json", "[1]", 7, {"node": "no json"}])
def test_facts_that_are_none_are_empty(value: object) -> None:
    """Whatever a stack holds there, nothing breaks."""
    assert node_facts({"NodeFacts": value}) in ({}, {"node": "no json"})


def test_a_broken_login_file_is_named(tmp_path: Path) -> None:
    """The file and the way out are in the error."""
    one = deployment_in(tmp_path)
    one.journal.write_private("login.json", b"{")
    with pytest.raises(OperationError, match=r"login\.json") as broken:
        _ = one.login
    assert "garret delete" in broken.value.hint
