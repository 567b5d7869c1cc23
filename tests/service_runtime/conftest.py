"""One service with the fake engine for all tests that do not harm it."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from garret.service_runtime.passwords import hash_password, hash_token
from tests.service_runtime.living import Service, fake_settings, serving

LOGIN, PASSWORD, TOKEN = "admin", "Correct-horse-7", "token-for-tests"


def basic(login: str, password: str) -> str:
    """Return a Basic header."""
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service with a login, spoken to with its token."""
    settings = fake_settings(
        tmp_path_factory.mktemp("service"), password_hash=hash_password(PASSWORD), token_hashes=(hash_token(TOKEN),)
    )
    with serving(settings) as running:
        running.headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        yield running
