"""What the certificate's keeper decides, and the step that sets it to work."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from garret.image_bootstrap.acme.client import ensure_client, reason_of
from garret.image_bootstrap.acme.names import missing_record, other_record, public_address
from garret.image_bootstrap.acme.serving import Certificate, serve
from garret.image_bootstrap.acme.state import FILE
from garret.image_bootstrap.first_stage import StepFailed, StepSkipped
from garret.image_bootstrap.steps import Node
from garret.image_bootstrap.steps.acme import SITE, challenge_site, ensure_acme
from garret.image_bootstrap.steps.front import CONFIG
from garret.image_bootstrap.steps.node import ACME_CERTIFICATE, CERTIFICATE, KEY
from garret.image_bootstrap.steps.service import ensure_certificate
from tests.image_bootstrap.front import needs_nginx
from tests.image_bootstrap.machine import Machine, free_port
from tests.image_bootstrap.test_front_steps import root_only, whole
from tests.image_bootstrap.test_python import VENV_WITH_PIP, pip_alone
from tests.image_bootstrap.test_steps import node_on as folder_node
from tests.image_bootstrap.test_steps import program

DAY = 86_400.0
NAME = "pictures.example.com"


@pytest.mark.parametrize(
    ("lifetime", "age", "due"),
    [(90, 59, False), (90, 61, True), (45, 31, True), (6.6, 3, False), (6.6, 3.5, True), (90, 100, True)],
)
def test_a_certificate_is_due_in_time_for_many_attempts(lifetime: float, age: float, due: bool) -> None:
    """A third of a long one's time is left, a half of a short one's."""
    assert Certificate(0.0, lifetime * DAY, "", ()).is_due(age * DAY) is due


def says(**records: list[str] | int) -> object:
    """A DNS: `a` and `aaaa` are addresses, or the number of an error."""

    def ask(name: str, family: int) -> Sequence[str]:
        assert name == NAME
        found = records.get("a" if family == socket.AF_INET else "aaaa", socket.EAI_NONAME)
        if isinstance(found, int):
            raise socket.gaierror(found, "as the system says it")
        return found

    return ask


@pytest.mark.parametrize(
    ("record", "missing"),
    [
        (["203.0.113.7"], ""),
        (["198.51.100.1", "203.0.113.7"], ""),
        (["198.51.100.1"], f"{NAME} points to 198.51.100.1; point its A record to 203.0.113.7"),
        (socket.EAI_NONAME, f"{NAME} has no A record; point its A record to 203.0.113.7"),
        (socket.EAI_AGAIN, f"the DNS does not answer about {NAME}; it is asked again"),
    ],
)
def test_what_a_name_lacks_is_said_with_what_to_do(record: list[str] | int, missing: str) -> None:
    """Before an authority is asked, which counts failures."""
    assert missing_record(NAME, "203.0.113.7", says(a=record)) == missing  # type: ignore[arg-type]


def test_an_address_that_nobody_knows_is_no_reason_to_wait() -> None:
    """The name's address is taken as it is; without one, the person knows where to look."""
    assert missing_record(NAME, "", says(a=["203.0.113.7"])) == ""  # type: ignore[arg-type]
    assert "the deployment's address" in missing_record(NAME, "", says())  # type: ignore[arg-type]


def test_an_aaaa_record_is_named_when_it_failed() -> None:
    """Authorities prefer it, and the node has no such address."""
    assert "2001:db8::1" in other_record(NAME, says(aaaa=["2001:db8::1"]))  # type: ignore[arg-type]
    assert other_record(NAME, says(a=["203.0.113.7"])) == ""  # type: ignore[arg-type]


def test_the_public_address_is_asked_of_the_cloud(machine: Machine, metadata: str) -> None:
    """And unknown where nobody answers."""
    machine.environment["GARRET_METADATA_URL"] = metadata
    assert public_address(whole(machine).host) == "127.0.0.1"
    machine.environment["GARRET_METADATA_URL"] = f"http://127.0.0.1:{free_port()}"
    assert public_address(whole(machine).host) == ""


def test_a_nodes_own_certificate_is_for_its_address_too(machine: Machine, metadata: str) -> None:
    """So that a program which trusts this certificate can ask the node where it is, by no other name."""
    machine.environment["GARRET_METADATA_URL"] = metadata
    node = whole(machine)
    node.has_tls = True
    ensure_certificate(node)
    file = str(node.host.path(CERTIFICATE))
    for asked, name in (("-verify_ip", "127.0.0.1"), ("-verify_hostname", f"garret-{node.config.deployment}")):
        subprocess.run(["openssl", "verify", "-CAfile", file, asked, name, file], check=True, capture_output=True)
    elsewhere = ["openssl", "verify", "-CAfile", file, "-verify_ip", "127.0.0.2", file]
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(elsewhere, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Saving debug log to x\n  Type:   dns\n  Detail: no name\n\nSome challenges have failed.\n", "no name"),
        ("Unable to register an account with ACME server. about:blank\nAsk for help\n", "Unable to register an account "
         "with ACME server."),
        ("An unexpected error occurred:\nrequests.SSLError: no\nAsk for help or search\n", "requests.SSLError: no"),
        ("", "certbot said nothing"),
    ],
)  # fmt: skip
def test_the_reason_is_the_line_that_says_most(said: str, reason: str) -> None:
    """The authority's words before certbot's own."""
    assert reason_of(said) == reason


def test_the_step_says_why_it_does_nothing(machine: Machine) -> None:
    """Not asked for; or a node that is a folder, where nobody could answer on port 80."""
    with pytest.raises(StepSkipped, match="--acme"):
        ensure_acme(whole(machine))
    with pytest.raises(StepSkipped, match="a folder, not a machine"):
        ensure_acme(folder_node(machine, acme=True))
    assert not (machine.disk / FILE.lstrip("/")).exists()


@needs_nginx
@root_only
def test_the_step_waits_for_nobody_and_says_that_it_has_begun(plain: Node) -> None:
    """nginx answers on port 80 and systemd has the rest to do."""
    ensure_acme(plain)
    assert plain.facts["acme"] is True
    state = json.loads(plain.host.path(FILE).read_text())
    assert (state["state"], state["name"], state["reason"]) == ("waiting", NAME, "it is being asked for")
    service = plain.host.path("/etc/systemd/system/garret-acme.service").read_text()
    assert "-m garret.image_bootstrap.acme" in service
    assert "@" not in service + plain.host.path("/etc/systemd/system/garret-acme.timer").read_text().replace(
        "@system", ""
    )


@needs_nginx
@root_only
def test_nginx_can_be_asked_with_the_powers_that_the_unit_leaves(plain: Node) -> None:
    """`nginx -t` opens logs of another user, makes folders his, and binds a low port: root needs powers for it."""
    ensure_acme(plain)
    unit = plain.host.path("/etc/systemd/system/garret-acme.service").read_text()
    [powers] = re.findall(r"^CapabilityBoundingSet=(CAP_.+)$", unit, re.MULTILINE)
    logs = plain.host.path("/var/log/nginx")
    for path in (logs, *logs.iterdir()):
        shutil.chown(path, "daemon", "daemon")
        path.chmod(0o700)
    config = plain.host.path(CONFIG)
    config.write_text(re.sub(r"listen 127\.0\.0\.1:\d+ ssl", "listen 127.0.0.1:983 ssl", config.read_text()))
    left = ["-all", *(f"+{power.removeprefix('CAP_').lower()}" for power in powers.split())]
    closed = ["setpriv", "--no-new-privs", "--bounding-set", ",".join(left)]
    assert "listen 127.0.0.1:983 ssl" in config.read_text()
    plain.host.run([*closed, "nginx", "-t", "-q", "-c", str(config)])
    with pytest.raises(StepFailed):  # they are what it needs
        plain.host.run(["setpriv", "--bounding-set", "-all", "nginx", "-t", "-q", "-c", str(config)])


@needs_nginx
@root_only
def test_a_port_80_that_is_taken_is_said_by_name(plain: Node) -> None:
    """Before nginx is told of it; what ran before runs on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = replace(plain, challenge_listen=f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(StepFailed, match="already in use"):
            ensure_acme(taken)
    assert not plain.host.path(SITE).exists()


def test_visitors_of_port_80_are_sent_to_the_services_own_port(machine: Machine) -> None:
    """Which a browser need not be told when it is the usual one."""
    node = whole(machine)
    assert f"https://$host:{node.config.service_port}$request_uri" in challenge_site(node)
    usual = replace(node, config=replace(node.config, service_port=443))
    assert "https://$host$request_uri" in challenge_site(usual)


@needs_nginx
@root_only
def test_a_certificate_with_another_key_is_not_served(plain: Node, tmp_path: Path) -> None:
    """The node shows what it showed before."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=other"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "fullchain.pem")]
    subprocess.run(["openssl", "req", "-x509", *kind, *files], check=True, capture_output=True)
    (tmp_path / "key.pem").write_bytes(plain.host.path(KEY).read_bytes())
    with pytest.raises(StepFailed, match="do not go together"):
        serve(plain, tmp_path)
    (tmp_path / "fullchain.pem").write_bytes(plain.host.path(CERTIFICATE).read_bytes())
    assert not plain.host.path(ACME_CERTIFICATE).exists()


def test_a_client_that_cannot_be_installed_is_said_with_pips_reason(machine: Machine, tmp_path: Path) -> None:
    """An index that does not have it; nothing half-made is taken for it later."""
    locks = machine.disk / "opt/garret/current/garret/image_bootstrap/requirements"
    locks.mkdir(parents=True)
    (locks / "acme.lock").write_text(f"certbot==5.8.0 \\\n    --hash=sha256:{'0' * 64}\n")
    program(machine, "python3", VENV_WITH_PIP.format(python=sys.executable, pip=pip_alone(tmp_path / "pip")))
    machine.environment |= {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"}
    with pytest.raises(StepFailed, match=r"certbot cannot be installed: the index .* has no certbot==5\.8\.0"):
        ensure_client(whole(machine))
    assert not list((machine.disk / "opt/garret/acme").rglob(".complete"))
