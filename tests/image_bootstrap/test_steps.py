"""The steps one by one, where the whole bootstrap does not go: TLS, GPUs, packages, and what each refuses."""

from __future__ import annotations

import hashlib
import http.server
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from garret.image_bootstrap.bundle import Bundle
from garret.image_bootstrap.first_stage import StepFailed, StepSkipped
from garret.image_bootstrap.host import Host
from garret.image_bootstrap.steps import Node
from garret.image_bootstrap.steps.machine import ensure_directories, ensure_user
from garret.image_bootstrap.steps.node import CERTIFICATE, KEY, MODEL_FOLDERS, SERVICE_ENV
from garret.image_bootstrap.steps.runtime import ensure_node_command
from garret.image_bootstrap.steps.service import (
    ensure_address,
    ensure_answering,
    ensure_certificate,
    ensure_service_settings,
)
from garret.image_bootstrap.steps.token import NODE_TOKEN, node_token
from garret.service_runtime.passwords import hash_token
from garret.service_runtime.settings import ServiceSettings, read_env_file
from tests.image_bootstrap.machine import Machine, config_for, free_port

BUNDLE = Bundle(b"x", "0" * 64, 1)


def node_on(machine: Machine, *, host_class: type[Host] = Host, **changes: object) -> Node:
    """A node whose steps have not run; short waits."""
    host = host_class.from_environment(machine.environment)
    config = config_for(BUNDLE, free_port(), **changes)
    return Node(host, config, answer_timeout_s=1.5, address_timeout_s=0.1, retry_pause_s=0.01, poll_s=0.05)


def program(machine: Machine, name: str, script: str) -> None:
    """Put a program on the node's PATH."""
    path = machine.disk / "bin" / name
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


class WholeMachine(Host):
    """A folder that is ours to change like a machine."""

    is_whole_machine = True  # type: ignore[assignment]


def test_the_models_live_where_the_habit_is(machine: Machine) -> None:
    """The folders that A1111's users know, and the service's own that only it reads."""
    ensure_directories(node_on(machine))
    for folder in (*MODEL_FOLDERS, "/home/embeddings", "/home/extensions"):
        assert (machine.disk / folder.lstrip("/")).is_dir()
    assert (machine.disk / "var/lib/garret/service").stat().st_mode & 0o777 == 0o750


def test_a_user_is_not_made_for_a_folder(machine: Machine) -> None:
    """Named in the journal with its reason."""
    with pytest.raises(StepSkipped, match="the node is a folder, not a machine"):
        ensure_user(node_on(machine))


def test_the_nodes_command_finds_the_runtime_wherever_it_is_called(machine: Machine) -> None:
    """Cloud Assistant calls it from another folder and with another environment."""
    package = machine.disk / "opt/garret/current/garret/service_runtime"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "node.py").write_text("import os, sys; print(sys.argv[1:], os.environ['GARRET_PREFIX'])")
    ensure_node_command(node_on(machine))
    command = [str(machine.disk / "usr/local/bin/garret-node"), "operation", "start", "a b"]
    done = subprocess.run(command, env={}, cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"['operation', 'start', 'a b'] {machine.disk}"


def test_on_a_machine_the_command_stays_root_until_it_has_read_the_request(machine: Machine) -> None:
    """Requests are root's alone; who gives up root before has nothing to read. The program does it itself, after."""
    program(machine, "interpreter", 'echo "$(id -u) $*"')
    machine.environment["GARRET_PYTHON"] = str(machine.disk / "bin/interpreter")
    ensure_node_command(node_on(machine, host_class=WholeMachine))
    command = [str(machine.disk / "usr/local/bin/garret-node"), "operation", "start", "x"]
    done = subprocess.run(command, env=machine.environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{os.geteuid()} -m garret.service_runtime.node operation start x\n"


def test_the_address_comes_from_the_driver_and_falls_back_to_loopback(machine: Machine) -> None:
    """Attached late it is waited for; never attached, the service stays on loopback."""
    node = node_on(machine)
    ensure_address(node)
    assert (node.service_host, node.has_tls) == ("127.0.0.1", False)
    (machine.disk / "run/garret/address").unlink()
    del machine.environment["GARRET_SERVICE_HOST"]
    late = node_on(machine)
    ensure_address(late)
    assert late.service_host == "127.0.0.1"


def test_on_a_real_node_the_service_listens_everywhere_behind_tls(machine: Machine) -> None:
    """cloud-init gives no address; the security group says who gets near."""
    machine.environment["GARRET_DRIVER"] = "cloud-init"
    node = node_on(machine)
    ensure_address(node)
    assert node.service_host == "0.0.0.0"  # noqa: S104
    assert node.facts["service"] == {"host": "0.0.0.0", "port": node.config.service_port, "scheme": "https"}  # noqa: S104


def node_with_tls(machine: Machine) -> Node:
    """A node that is reached over TLS, with its certificate made."""
    node = node_on(machine)
    node.service_host, node.has_tls = "127.0.0.1", True
    ensure_certificate(node)
    return node


def test_a_certificate_is_made_once_and_its_fingerprint_reported(machine: Machine) -> None:
    """The fingerprint is what openssl says; the key is closed; the second run keeps both."""
    node = node_with_tls(machine)
    certificate, key = node.host.path(CERTIFICATE), node.host.path(KEY)
    said = subprocess.run(
        ["openssl", "x509", "-in", str(certificate), "-noout", "-fingerprint", "-sha256"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert said.strip().split("=")[1].replace(":", "").lower() == node.facts["tls_sha256"]
    assert key.stat().st_mode & 0o777 == 0o600
    kept = (certificate.read_bytes(), key.read_bytes())
    ensure_certificate(node)
    assert (certificate.read_bytes(), key.read_bytes()) == kept
    assert sorted(path.name for path in key.parent.iterdir()) == ["certificate.pem", "key.pem"]


@contextmanager
def https_server(port: int, certificate: Path, key: Path) -> Iterator[None]:
    """Answers /healthz over TLS."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "ok"}')

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_answer_counts_only_with_the_nodes_own_certificate(machine: Machine, tmp_path: Path) -> None:
    """Our certificate is accepted though nobody vouches for it; another one is not."""
    node = node_with_tls(machine)
    program(machine, "systemctl", "echo active")
    certificate, key = node.host.path(CERTIFICATE), node.host.path(KEY)
    with https_server(node.config.service_port, certificate, key):
        ensure_answering(node)
        node.facts["tls_sha256"] = hashlib.sha256(b"other").hexdigest()
        with pytest.raises(StepFailed, match="somebody answers with another certificate"):
            ensure_answering(node)


def test_a_service_that_only_starts_and_starts_is_not_waited_for_for_ever(machine: Machine) -> None:
    """The reason has the last answer and the service's last words."""
    node = node_on(machine)
    ensure_address(node)
    program(machine, "systemctl", "echo activating")
    log = machine.disk / "var/log/garret.service.log"
    log.parent.mkdir(parents=True)
    log.write_text("first\nOutOfMemory: the model is larger than the disk\n")
    with pytest.raises(
        StepFailed, match=r"no answer on .* within 1\.5 s; last: ConnectionRefused.*first \| OutOfMemory"
    ):
        ensure_answering(node)


def test_the_settings_are_what_the_service_reads(machine: Machine) -> None:
    """Written and read by the same record; the file is closed to others and holds hashes only."""
    node = node_on(machine, allow_private_download=True)
    ensure_address(node)
    ensure_service_settings(node)
    file = node.host.path(SERVICE_ENV)
    settings = ServiceSettings.from_env(read_env_file(file.read_text()))
    assert file.stat().st_mode & 0o777 == 0o640
    assert (settings.host, settings.port) == ("127.0.0.1", node.config.service_port)
    assert settings.models_dir == machine.disk / "home/models"
    assert settings.password_hash == node.config.password_hash
    assert settings.token_hashes == (node.config.token_hash,)
    assert settings.node_token_hash == hash_token(node_token(node.host))
    assert settings.login_file == str(node.host.path("/etc/garret/login.json"))
    assert node.host.path(NODE_TOKEN).stat().st_mode & 0o777 == 0o600
    assert node_token(node.host) not in file.read_text()
    assert (settings.tls_certificate, settings.deployment, settings.default_checkpoint) == ("", "garret", "demo")
    assert settings.allow_private_download


def test_settings_on_a_public_address_name_certificate_and_key(machine: Machine) -> None:
    """The service refuses to leave loopback without them."""
    node = node_with_tls(machine)
    node.service_host = "0.0.0.0"  # noqa: S104
    ensure_service_settings(node)
    settings = ServiceSettings.from_env(read_env_file(node.host.path(SERVICE_ENV).read_text()))
    assert settings.has_tls
    assert Path(settings.tls_key) == node.host.path(KEY)


def test_a_program_that_hangs_is_ended(machine: Machine) -> None:
    """Nothing on a node waits without a limit."""
    program(machine, "sleepy", "exec sleep 60")
    with pytest.raises(StepFailed, match="`sleepy` did not end within"):
        node_on(machine).host.run(["sleepy"], timeout_s=0.2)


def test_a_program_that_is_missing_is_named(machine: Machine) -> None:
    """Not a traceback."""
    with pytest.raises(StepFailed, match="no-such-thing is not on this machine"):
        node_on(machine).host.run(["no-such-thing"])


def test_a_file_is_written_once_and_with_its_mode(machine: Machine) -> None:
    """Same text and mode: nothing happens; a changed mode is put right."""
    host = node_on(machine).host
    assert host.write("/etc/garret/x", "text", 0o600)
    assert not host.write("/etc/garret/x", "text", 0o600)
    path = host.path("/etc/garret/x")
    path.chmod(0o644)
    assert host.write("/etc/garret/x", "text", 0o600)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("text", 0o600)
    assert list(path.parent.iterdir()) == [path]


def test_root_of_the_real_machine_has_no_prefix() -> None:
    """Units and commands there name plain absolute paths."""
    host = Host(Path("/"), dict(os.environ), journal=object())  # type: ignore[arg-type]
    assert (host.prefix, host.path("/etc/garret"), host.driver) == ("", Path("/etc/garret"), "cloud-init")
    assert host.python == "/opt/garret/venv/bin/python"
    assert Host(Path("/"), {"GARRET_PYTHON": sys.executable}, journal=object()).python == sys.executable  # type: ignore[arg-type]
