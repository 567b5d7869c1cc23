"""The steps about the front, with a real nginx where it runs: what they change, what they leave, what they refuse."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import socket
import ssl
from collections.abc import Iterator

import pytest

from garret.image_bootstrap.first_stage import StepFailed, StepSkipped
from garret.image_bootstrap.host import Host
from garret.image_bootstrap.steps import Node
from garret.image_bootstrap.steps.front import CONFIG, NO_STARTS, SITES, ensure_front, ensure_packages
from garret.image_bootstrap.steps.node import ACME_CERTIFICATE, ACME_KEY, CERTIFICATE, SERVICE_ENV
from garret.image_bootstrap.steps.service import (
    ensure_address,
    ensure_certificate,
    ensure_service_settings,
    memory_max,
)
from garret.service_runtime.settings import ServiceSettings, read_env_file
from tests.image_bootstrap.front import NGINX, needs_nginx, trusting
from tests.image_bootstrap.machine import Machine, config_for, free_port
from tests.image_bootstrap.test_steps import BUNDLE, WholeMachine, program
from tests.service_runtime.living import certificate, wait

SYSTEMCTL = """
echo "$@" >> {disk}/systemctl.log
alive() {{ [ -s {disk}/run/nginx.pid ] && kill -0 "$(cat {disk}/run/nginx.pid)" 2>/dev/null; }}
case "$1" in
stop) kill "$(cat {disk}/run/nginx.pid)"; while [ -e {disk}/run/nginx.pid ]; do sleep 0.02; done;;
is-active) if alive; then echo active; else echo inactive; exit 3; fi;;
reload-or-restart) if alive; then how="-s reload"; fi; nginx -c {disk}/etc/nginx/nginx.conf $how;;
esac
"""


class WithoutGroups(WholeMachine):
    """A machine on which nobody has made the service's group."""

    def write(self, absolute: str, text: str, mode: int, group: str = "") -> bool:  # noqa: ARG002 - what is left out
        """Write the file as root's alone."""
        return super().write(absolute, text, mode)


def whole(machine: Machine, host_class: type[Host] = WholeMachine, **changes: object) -> Node:
    """A machine of its own, listening on loopback only."""
    config = config_for(BUNDLE, free_port(), service_host="127.0.0.1", **changes)
    machine.environment["GARRET_DRIVER"] = "cloud-init"
    node = Node(
        host_class.from_environment(machine.environment), config, retry_pause_s=0.01, front_timeout_s=3, poll_s=0.02
    )
    ensure_address(node)
    node.has_tls = True  # as on every address that is not loopback
    return node


@pytest.fixture
def node(machine: Machine) -> Iterator[Node]:
    """A machine with nginx, a certificate, and a systemctl that knows how to start it."""
    program(machine, "nginx", f'exec {NGINX} "$@"')
    program(machine, "systemctl", SYSTEMCTL.format(disk=machine.disk))
    for folder in ("run", "var/log/nginx", "var/lib/nginx"):
        (machine.disk / folder).mkdir(parents=True, exist_ok=True)
    node = whole(machine)
    ensure_certificate(node)
    yield node
    pid = machine.disk / "run/nginx.pid"
    if pid.is_file() and pid.read_text().strip():
        number = int(pid.read_text())
        os.kill(number, signal.SIGTERM)
        wait(lambda: not pid.exists(), 10, "nginx to end")


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="nginx gives its workers another user, which needs root")


def shown(node: Node) -> tuple[str, http.client.HTTPResponse]:
    """The digest of the certificate at the node's port, and the answer to a request."""
    connection = http.client.HTTPSConnection("127.0.0.1", node.config.service_port, timeout=5, context=trusting())
    connection.request("GET", "/healthz")
    assert isinstance(connection.sock, ssl.SSLSocket)
    der = connection.sock.getpeercert(binary_form=True) or b""
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return hashlib.sha256(der).hexdigest(), answer


def calls(machine: Machine) -> list[str]:
    """What systemctl was asked, and forget it."""
    log = machine.disk / "systemctl.log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def files(machine: Machine) -> dict[str, tuple[int, int, bytes]]:
    """Every file but what nginx notes."""
    return {path: about for path, about in machine.snapshot().items() if "/var/log/" not in path}


@needs_nginx
@root_only
def test_the_front_answers_before_there_is_a_service_and_the_second_time_nothing_is_done(
    machine: Machine, node: Node
) -> None:
    """With the node's own certificate; nothing is reloaded when nothing has changed."""
    ensure_front(node)
    digest, answer = shown(node)
    assert digest == node.facts["tls_sha256"]
    assert (answer.status, answer.headers["Strict-Transport-Security"]) == (503, None)
    assert calls(machine) == [
        "is-active nginx.service",
        "enable nginx.service",
        "reload-or-restart nginx.service",
    ]
    assert (machine.disk / "var/lib/garret/www").stat().st_mode & 0o777 == 0o755
    before = files(machine)
    ensure_front(node)
    assert calls(machine) == ["is-active nginx.service"]
    assert files(machine) == before
    assert not list((machine.disk / "etc/nginx").glob("garret-candidate*"))


@needs_nginx
@root_only
def test_another_certificate_is_shown_after_the_step(machine: Machine, node: Node) -> None:
    """A new one of the node's own, and one that an authority vouches for, with strict transport for its name."""
    ensure_front(node)
    node.host.path(CERTIFICATE).unlink()
    first = node.facts["tls_sha256"]
    ensure_certificate(node)
    ensure_front(node)
    assert shown(node)[0] == node.facts["tls_sha256"] != first
    for made, wanted in zip(certificate(machine.disk, "vouched"), (ACME_CERTIFICATE, ACME_KEY), strict=True):
        node.host.path(wanted).parent.mkdir(parents=True, exist_ok=True)
        made.rename(node.host.path(wanted))
    named = Node(node.host, config_for(BUNDLE, node.config.service_port, domain="pictures.example.com"), poll_s=0.02)
    named.service_host, named.has_tls = node.service_host, True
    ensure_certificate(named)
    ensure_front(named)
    digest, answer = shown(named)
    assert digest == named.facts["tls_sha256"]
    assert answer.headers["Strict-Transport-Security"]


@needs_nginx
@root_only
def test_a_configuration_that_nginx_does_not_take_leaves_the_one_that_works(machine: Machine, node: Node) -> None:
    """The step fails with nginx's own words; what runs goes on, and nothing half-done is left."""
    ensure_front(node)
    calls(machine)
    site = node.host.path(f"{SITES}/own.conf")
    site.write_text("nonsense here;\n")
    before = files(machine)
    with pytest.raises(StepFailed, match='unknown directive "nonsense"'):
        ensure_front(node)
    assert calls(machine) == []
    assert files(machine) == before
    assert shown(node)[1].status == 503


@needs_nginx
@root_only
def test_a_port_that_is_taken_is_named_and_the_front_stays_where_it_was(machine: Machine, node: Node) -> None:
    """Another --port at the next boot, and somebody sits there already."""
    ensure_front(node)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        moved = Node(node.host, config_for(BUNDLE, other.getsockname()[1]), poll_s=0.02)
        moved.service_host, moved.has_tls = node.service_host, True
        with pytest.raises(StepFailed, match="is already in use on this machine"):
            ensure_front(moved)
    assert shown(node)[1].status == 503


@needs_nginx
@root_only
def test_a_configuration_that_nginx_reads_but_cannot_run_is_not_taken_for_done(machine: Machine, node: Node) -> None:
    """A site of one's own whose port is taken: a reload says nothing of it, and nginx goes on as before."""
    ensure_front(node)
    before = node.host.path(CONFIG).read_text()
    node.front_timeout_s = 1
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        node.host.path(f"{SITES}/own.conf").write_text(f"server {{ listen 127.0.0.1:{port}; }}\n")
        with pytest.raises(StepFailed, match=rf"goes on with the configuration before.*127\.0\.0\.1:{port} failed"):
            ensure_front(node)
    assert node.host.path(CONFIG).read_text() == before
    assert shown(node)[1].status == 503
    node.front_timeout_s = 5
    ensure_front(node)
    assert node.host.path(CONFIG).read_text() != before


@needs_nginx
@root_only
def test_the_packages_own_site_makes_room(machine: Machine, node: Node) -> None:
    """An image's nginx may run already, even on the port that is wanted."""
    config = node.host.path(CONFIG)
    config.parent.mkdir(parents=True)
    site = f"server {{ listen 127.0.0.1:{node.config.service_port}; }}"
    logs = f"access_log off; client_body_temp_path {machine.disk}/run/body;"
    top = f"pid {machine.disk}/run/nginx.pid; error_log {machine.disk}/var/log/nginx/error.log;"
    config.write_text(f"{top} events {{ }} http {{ {logs} {site} }}\n")
    node.host.run(["systemctl", "reload-or-restart", "nginx.service"])
    calls(machine)
    ensure_front(node)
    assert calls(machine)[1] == "stop nginx.service"
    assert shown(node)[0] == node.facts["tls_sha256"]


@needs_nginx
@root_only
def test_a_front_that_does_not_answer_is_put_back(machine: Machine, node: Node) -> None:
    """The new configuration is read without complaint, and still nobody answers with this certificate."""
    ensure_front(node)
    text = node.host.path(CONFIG).read_text()
    node.facts["tls_sha256"] = "0" * 64
    node.host.path(CONFIG).write_text(text.replace("keepalive_timeout 15s", "keepalive_timeout 16s"))
    before = node.host.path(CONFIG).read_text()
    node.front_timeout_s = 0.2
    with pytest.raises(StepFailed, match=r"nginx does not answer as it should on 127\.0\.0\.1:\d+: .*another certif"):
        ensure_front(node)
    assert node.host.path(CONFIG).read_text() == before
    assert shown(node)[1].status == 503


def test_a_folder_has_no_front(machine: Machine) -> None:
    """There the service itself listens; both steps are named in the journal with the reason."""
    node = whole(machine, Host)
    for step in (ensure_front, ensure_packages):
        with pytest.raises(StepSkipped, match="the node is a folder, not a machine"):
            step(node)


@pytest.mark.parametrize(("public", "inner"), [(443, 7860), (7860, 7861)])
def test_behind_the_front_the_service_listens_on_loopback_and_believes_it(
    machine: Machine, public: int, inner: int
) -> None:
    """No TLS of its own, another port than the public one; the stack hears of the public one."""
    config = config_for(BUNDLE, public, cloud="aliyun")
    machine.environment["GARRET_DRIVER"] = "cloud-init"
    node = Node(WithoutGroups.from_environment(machine.environment), config)
    ensure_address(node)
    ensure_service_settings(node)
    settings = ServiceSettings.from_env(read_env_file(node.host.path(SERVICE_ENV).read_text()))
    assert (settings.host, settings.port, settings.trusted_proxy) == ("127.0.0.1", inner, True)
    assert not settings.has_tls
    assert node.facts["service"] == {"host": "0.0.0.0", "port": public, "scheme": "https"}  # noqa: S104
    assert node.service_url == f"http://127.0.0.1:{inner}"


def test_the_service_may_use_the_memory_but_for_a_tenth(machine: Machine) -> None:
    """At least 0.5 GiB and at most 4 GiB stay for the rest; a tiny machine is halved; unknown is no limit."""
    host = whole(machine).host
    assert memory_max(host) == "infinity"
    meminfo = machine.disk / "proc/meminfo"
    meminfo.parent.mkdir()
    gib = 1 << 30
    for total, kept in ((30 * gib, 3 * gib), (120 * gib, 4 * gib), (2 * gib, gib // 2), (gib // 2, gib // 4)):
        meminfo.write_text(f"MemTotal:       {total // 1024} kB\nMemFree:  1 kB\n")
        assert memory_max(host) == str(total - kept)


APT = """
echo "apt-get $@" >> {disk}/calls
[ -e {disk}/usr/sbin/policy-rc.d ] && echo "no starts" >> {disk}/calls
case " $* " in
*" install "*)
  [ "$(grep -c ' install ' {disk}/calls)" -gt {failures} ] || {{ echo "E: Could not get lock"; exit 100; }}
  for name; do :; done
  for name in nginx openssl; do printf '#!/bin/sh\\n' > {disk}/bin/$name; chmod +x {disk}/bin/$name; done
  touch {disk}/has-venv;;
esac
"""


def bare(machine: Machine, failures: int = 0) -> Node:
    """A machine without nginx and venv, and an apt-get that fails some times before it installs."""
    del machine.environment["GARRET_PYTHON"]
    machine.environment["PATH"] = f"{machine.disk}/bin"
    for name in ("env", "sh", "grep", "touch", "chmod"):
        (machine.disk / "bin" / name).symlink_to(f"/usr/bin/{name}")
    program(machine, "apt-get", APT.format(disk=machine.disk, failures=failures))
    program(machine, "dpkg", f'echo "dpkg $@" >> {machine.disk}/calls')
    program(machine, "python3", f"[ -e {machine.disk}/has-venv ]")
    return whole(machine)


def asked(machine: Machine) -> list[str]:
    """What was asked of apt and dpkg, without options."""
    lines = (machine.disk / "calls").read_text().splitlines()
    words = [[word for word in line.split() if not word.startswith("-") and "::" not in word] for line in lines]
    return [" ".join(line) for line in words]


def test_only_what_is_missing_is_installed_and_only_once(machine: Machine) -> None:
    """No server is started by its package; afterwards packages may start theirs again, and nothing is asked of apt."""
    node = bare(machine)
    ensure_packages(node)
    assert asked(machine) == [
        "dpkg",
        "dpkg",
        "apt-get update",
        "no starts",
        "apt-get install nginx openssl python3-venv",
        "no starts",
    ]
    assert "--no-install-recommends" in (machine.disk / "calls").read_text()
    assert "DPkg::Lock::Timeout=300" in (machine.disk / "calls").read_text()
    assert not node.host.path(NO_STARTS).exists()
    (machine.disk / "calls").unlink()
    ensure_packages(node)
    assert asked(machine) == ["dpkg"]


def test_what_the_image_brings_is_not_installed(machine: Machine) -> None:
    """An interpreter with everything in it needs no venv."""
    node = bare(machine)
    program(machine, "openssl", "exit 0")
    node.host.environment["GARRET_PYTHON"] = "/usr/bin/python3"
    ensure_packages(node)
    assert "apt-get install nginx" in asked(machine)


def test_a_mirror_that_fails_twice_is_overcome(machine: Machine) -> None:
    """And before each attempt dpkg finishes what was broken off."""
    ensure_packages(bare(machine, failures=2))
    assert [line.split()[1] for line in asked(machine) if line.startswith("apt-get")] == ["update", "install"] * 3
    assert asked(machine).count("dpkg") == 4


def test_a_mirror_that_never_answers_fails_the_step_with_its_last_line(machine: Machine) -> None:
    """Three attempts, then a reason; packages may start their servers again."""
    node = bare(machine, failures=9)
    with pytest.raises(StepFailed, match="ended with 100: E: Could not get lock"):
        ensure_packages(node)
    assert not node.host.path(NO_STARTS).exists()


def test_an_installation_that_a_power_cut_broke_off_is_finished(machine: Machine) -> None:
    """Also when all the programs are there already; our note against starts does not outlive it, an own one does."""
    node = bare(machine)
    ensure_packages(node)
    (machine.disk / "calls").unlink()
    program(
        machine, "dpkg", f'echo "dpkg $@" >> {machine.disk}/calls; [ "$1" != --audit ] || echo nginx is half installed'
    )
    policy = node.host.path(NO_STARTS)
    policy.write_text("#!/bin/sh\n# For the time of an installation by garret's bootstrap.\nexit 101\n")
    ensure_packages(node)
    assert asked(machine)[-2:] == ["apt-get install", "no starts"]
    assert not policy.exists()
    policy.write_text("#!/bin/sh\nexit 101\n")
    ensure_packages(node)
    assert policy.read_text() == "#!/bin/sh\nexit 101\n"


def test_a_machine_without_apt_is_told_what_it_lacks(machine: Machine) -> None:
    """Its name and what to use instead."""
    node = bare(machine)
    (machine.disk / "bin/apt-get").unlink()
    with pytest.raises(StepFailed, match="it lacks nginx, openssl, python3-venv; use Debian or Ubuntu"):
        ensure_packages(node)


def test_an_installation_that_brings_nothing_is_told(machine: Machine) -> None:
    """As when a mirror has an empty package under that name."""
    node = bare(machine)
    program(machine, "apt-get", "exit 0")
    with pytest.raises(StepFailed, match="nothing of it can be found"):
        ensure_packages(node)
