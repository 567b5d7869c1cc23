"""What other programs are told of a deployment, and the client that is made of it."""

from __future__ import annotations

import hashlib
import json
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from garret.cli import run
from garret.client import Client, WrongCertificate
from garret.errors import OperationError, UsageError
from garret.ops.access import access_of, write_certificate
from garret.ops.client import client_named, client_of
from garret.ops.deployment import Deployment, Login, new_login, opened
from tests.ops.fake import deployment_in
from tests.service_runtime.api.raw import Raw, http, raw_server
from tests.service_runtime.living import certificate


@pytest.fixture
def one(tmp_path: Path) -> Deployment:
    """A deployment of which nothing is known."""
    return deployment_in(tmp_path)


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[Raw, str]]:
    """A service with a certificate of its own, and that certificate's SHA-256."""
    file, key = certificate(tmp_path, "garret-film")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    with raw_server(http(b"[]"), context=context) as raw:
        yield raw, hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read_text())).hexdigest()


def known(one: Deployment, url: str, fingerprint: str = "") -> Login:
    """Let this machine know a deployment's service, under a token that a shell would read otherwise."""
    login = replace(opened(new_login("admin", None), {"EndPoint": url}), tls_sha256=fingerprint, token="it's $HOME")
    one.keep_login(login)
    return login


def test_a_shell_is_told_as_whom_and_where(
    one: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words that it takes literally; a program gets JSON."""
    known(one, "https://203.0.113.7", "ab" * 32)
    monkeypatch.setenv("GARRET_HOME", str(tmp_path))
    assert run(["env", "--cloud", "local"]) == 0
    script = f"""export GARRET_AUTHORITY=elsewhere
{capsys.readouterr().out}
printf "%s\\n" "$GARRET_URL" "$GARRET_TOKEN" "$GARRET_FINGERPRINT" "${{GARRET_AUTHORITY-none}}"
"""
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["https://203.0.113.7", "it's $HOME", "ab" * 32, "none"]
    assert run(["env", "garret", "--cloud", "local", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == access_of(one)


def test_the_certificate_is_written_for_programs_that_trust_by_file(
    one: Deployment, secured: tuple[Raw, str], tmp_path: Path
) -> None:
    """Only the right one: whoever else answers there is not vouched for by garret."""
    raw, fingerprint = secured
    known(one, raw.url, fingerprint)
    path = tmp_path / "film.pem"
    write_certificate(one, path)
    assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest() == fingerprint
    context = ssl.create_default_context(cafile=path)
    assert len(context.get_ca_certs()) == 1
    known(one, raw.url, "ab" * 32)
    with pytest.raises(OperationError, match="another certificate"):
        write_certificate(one, tmp_path / "other.pem")
    known(one, "http://127.0.0.1:1")
    with pytest.raises(UsageError, match="plain HTTP"):
        write_certificate(one, tmp_path / "other.pem")
    assert not (tmp_path / "other.pem").exists()


def test_the_client_of_a_deployment_knows_its_certificate_and_token(
    one: Deployment, secured: tuple[Raw, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its record or by its name, and the variables of `garret env` are enough for anyone else's."""
    raw, fingerprint = secured
    login = known(one, raw.url, fingerprint)
    one.journal.append("planned", region="cn-hangzhou", price=None)
    monkeypatch.setenv("GARRET_HOME", str(tmp_path))
    monkeypatch.setenv("GARRET_CLOUD", "local")
    for name, value in access_of(one).items():
        monkeypatch.setenv(name, value)
    for client in (client_of(one), client_named("garret"), client_named(), Client()):
        with client:
            assert client.jobs.list() == []
    assert raw.headers("authorization") == [f"Bearer {login.token}"] * 4


def test_the_variables_let_an_authority_vouch_where_one_was_asked_for(
    one: Deployment, secured: tuple[Raw, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node's own certificate makes room for a public one, which is another every few days."""
    raw, _ = secured
    known(one, raw.url, "ab" * 32)
    monkeypatch.setenv("SSL_CERT_FILE", str(next(tmp_path.glob("*garret-film*.pem"))))
    said = []
    for acme, domain in ((False, ""), (True, ""), (True, "garret-film"), (True, "x.example")):
        one.journal.append("planned", region="cn-hangzhou", price=None, spec={"acme": acme, "domain": domain})
        found = access_of(one)
        said.append(found.get("GARRET_AUTHORITY"))
        for name, value in found.items():
            monkeypatch.setenv(name, value)
        with Client() as client:
            if said[-1] in ("127.0.0.1", "garret-film"):
                assert client.jobs.list() == []
            else:
                with pytest.raises(WrongCertificate):
                    client.jobs.list()
    assert said == [None, "127.0.0.1", "garret-film", "x.example"]


def test_without_an_endpoint_the_way_to_one_is_named(one: Deployment, tmp_path: Path) -> None:
    """Nothing was deployed here."""
    for ask in (access_of, client_of, lambda one: write_certificate(one, tmp_path / "x.pem")):
        with pytest.raises(UsageError) as refused:
            ask(one)
        assert "garret deploy" in refused.value.hint
