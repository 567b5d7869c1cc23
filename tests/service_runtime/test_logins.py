"""What opens the service changes while it runs, by a file of root's, and nobody else's door changes with it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from garret.service_runtime.auth import Authenticator
from garret.service_runtime.errors import Unauthorized
from garret.service_runtime.logins import BadLogin, Logins, check_login, holder, put_login
from garret.service_runtime.passwords import hash_password, hash_token
from garret.service_runtime.settings import ServiceSettings
from tests.service_runtime.conftest import basic

OLD, NEW = hash_password("Old-password-1"), hash_password("New-password-2")
FRESH = {"login": "admin", "password_hash": NEW, "token_hash": hash_token("new")}


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    """Those of a node whose login can be changed."""
    return ServiceSettings(
        password_hash=OLD,
        token_hashes=(hash_token("old"),),
        node_token_hash=hash_token("node"),
        login_file=str(tmp_path / "login.json"),
    )


def caller(door: Authenticator, header: str) -> str:
    """Who a header is taken for; empty for nobody."""
    try:
        return asyncio.run(door.caller(header, "a"))
    except Unauthorized:
        return ""


def test_the_new_login_counts_at_once_and_the_old_one_is_forgotten(settings: ServiceSettings) -> None:
    """Also a login that was right a moment ago; the node's own token goes on, and jobs keep their owner."""
    door = Authenticator(settings)
    owner = caller(door, "Bearer old")
    assert caller(door, basic("admin", "Old-password-1")) == "admin"
    put_login(settings, FRESH, 0)
    assert caller(door, basic("admin", "Old-password-1")) == ""
    assert caller(door, "Bearer old") == ""
    assert caller(door, basic("admin", "New-password-2")) == "admin"
    assert caller(door, "Bearer new") == owner == "admin"
    assert caller(door, "Bearer node") == holder(hash_token("node"))
    put_login(settings, FRESH | {"token_hash": hash_token("newer")}, 0)
    assert caller(door, "Bearer newer") == owner


def test_the_file_holds_hashes_and_is_closed_to_others(settings: ServiceSettings) -> None:
    """And nothing that was not asked for."""
    put_login(settings, FRESH | {"password": "plain"}, 0)
    path = Path(settings.login_file)
    assert path.stat().st_mode & 0o777 == 0o640
    assert set(json.loads(path.read_text())) == {"login", "password_hash", "token_hash", "owner", "holder", "aliases"}
    assert [file.name for file in path.parent.iterdir()] == ["login.json"]


@pytest.mark.parametrize("broken", ["", "{", "[]", "{}", '{"login": "a"}', json.dumps(FRESH | {"password_hash": ""})])
def test_a_file_that_cannot_be_read_opens_to_nobody(settings: ServiceSettings, broken: str) -> None:
    """The login before may be the very one that was to be shut out; only the node itself still gets in."""
    Path(settings.login_file).write_text(broken)
    door = Authenticator(settings)
    for header in ("Bearer old", basic("admin", "Old-password-1"), basic("", "x")):
        assert caller(door, header) == ""
    assert caller(door, "Bearer node")
    put_login(settings, FRESH, 0)
    assert caller(door, "Bearer new")


@pytest.mark.parametrize(
    "wrong",
    [
        None, [], {}, FRESH | {"password_hash": "Password-1"}, FRESH | {"token_hash": "new"}, FRESH | {"login": ""},
        FRESH | {"login": "a:b"}, FRESH | {"login": "a\nb"}, FRESH | {"password_hash": OLD + "\n"},
        FRESH | {"login": 1},
    ],
)  # fmt: skip
def test_only_hashes_are_taken(settings: ServiceSettings, wrong: object) -> None:
    """A password in the place of its hash is refused, and the login stays as it is."""
    with pytest.raises(BadLogin):
        put_login(settings, wrong, 0)
    assert Logins(settings).current().password_hash == OLD
    assert check_login(FRESH) == FRESH


def test_a_node_of_before_says_that_it_cannot(settings: ServiceSettings) -> None:
    """Its settings name no such file."""
    with pytest.raises(BadLogin, match="cannot change its login"):
        put_login(replace(settings, login_file=""), FRESH, 0)


def test_the_deployments_password_and_token_are_one_person(settings: ServiceSettings) -> None:
    """Further tokens are other people's; what was kept under the token's own name is theirs all the same."""
    two = replace(settings, token_hashes=(*settings.token_hashes, hash_token("guest")))
    door = Authenticator(two)
    assert caller(door, "Bearer old") == caller(door, basic("admin", "Old-password-1")) == "admin"
    assert caller(door, "Bearer guest") == holder(hash_token("guest"))
    assert Logins(two).current().aliases == {holder(hash_token("old"))}
    put_login(two, FRESH | {"login": "root"}, 0)
    opening = Logins(two).current()
    assert caller(door, "Bearer new") == caller(door, basic("root", "New-password-2")) == opening.owner == "admin"
    assert opening.aliases == {holder(hash_token("old")), "root"}


def test_a_file_of_an_earlier_version_names_whose_jobs_were_whose(settings: ServiceSettings) -> None:
    """There the token's were its holder's, and the login's its own."""
    Path(settings.login_file).write_text(json.dumps(FRESH | {"login": "root", "holder": "token-12345678"}))
    opening = Logins(settings).current()
    assert opening.owner == "admin"
    assert opening.aliases == {"token-12345678", holder(hash_token("old")), "root"}
    put_login(settings, FRESH, 0)
    assert "token-12345678" in Logins(settings).current().aliases


def test_another_login_has_another_mark(settings: ServiceSettings) -> None:
    """By it sessions know that the login which opened them is gone; also when only the token is another."""
    marks = [Authenticator(settings).mark]
    for change in ({}, {"token_hash": hash_token("newer")}, {"password_hash": OLD}):
        put_login(settings, FRESH | change, 0)
        marks.append(Authenticator(settings).mark)
    assert len(set(marks)) == len(marks)
    assert Authenticator(settings).mark == marks[-1]
