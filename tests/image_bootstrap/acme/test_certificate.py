"""A certificate asked for at a real authority with the real certbot, served by the real nginx, believed by the CLI."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from garret.client import Unavailable
from garret.errors import NotReady, OperationError
from garret.image_bootstrap.acme.__main__ import AFTER_FAILURE_S, ASK_ANYWAY_S, LOOK_AGAIN_S, Keeper
from garret.image_bootstrap.acme.serving import read_certificate
from garret.image_bootstrap.acme.state import AUTHORITIES, FILE, FOLDER
from garret.image_bootstrap.steps import Node
from garret.image_bootstrap.steps.acme import ensure_acme
from garret.image_bootstrap.steps.node import ACME_CERTIFICATE, CERTIFICATE
from garret.ops.authority import Authority
from garret.ops.endpoint import Endpoint
from tests.image_bootstrap.acme.conftest import NAME
from tests.image_bootstrap.acme.pebble import Pebble, needs_pebble
from tests.image_bootstrap.front import needs_nginx
from tests.image_bootstrap.machine import free_port
from tests.image_bootstrap.test_front_steps import shown

pytestmark = [
    needs_pebble,
    needs_nginx,
    pytest.mark.skipif(os.geteuid() != 0, reason="nginx gives its workers another user, which needs root"),
]
HERE = {NAME: "127.0.0.1"}


class Enough(Exception):
    """The test has seen what it wanted."""


@dataclass
class World:
    """The DNS that the node asks, the time, and what happens while the program sleeps."""

    records: dict[str, str] = field(default_factory=lambda: dict(HERE))
    later_s: float = 0.0
    naps: list[float] = field(default_factory=list)
    meanwhile: list[Callable[[], object]] = field(default_factory=list)

    def keeper(self, node: Node) -> Keeper:
        """The program in this world."""
        from time import time

        return Keeper(node, self.resolve, lambda: time() + self.later_s, self.sleep)

    def resolve(self, name: str, family: int) -> list[str]:
        """Ask the DNS."""
        if family != socket.AF_INET or name not in self.records:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return [self.records[name]]

    def sleep(self, seconds: float) -> None:
        """Note how long, and let the next thing happen."""
        self.naps.append(seconds)
        if not self.meanwhile:
            raise Enough
        self.meanwhile.pop(0)()


def state(node: Node) -> dict[str, Any]:
    """What is told about the certificate."""
    path = node.host.path(FILE)
    assert path.stat().st_mode & 0o777 == 0o644
    return dict(json.loads(path.read_text()))


def endpoint(node: Node, authority: Authority | None, pinned: str) -> Endpoint:
    """The command line's side."""
    return Endpoint(f"https://127.0.0.1:{node.config.service_port}", "secret", pinned, authority)


def answers_that_it_starts(service: Endpoint) -> None:
    """The front is believed, and says 503 as long as no service is behind it."""
    with pytest.raises(NotReady) as starting:
        service.get("/healthz", 5)
    assert isinstance(starting.value.__cause__, Unavailable)


def own(node: Node) -> str:
    """The digest of the node's own certificate."""
    found = read_certificate(node.host, node.host.path(CERTIFICATE))
    assert found is not None
    return found.sha256


def asked(pebble: Pebble, node: Node, path: str) -> tuple[int, str]:
    """What port 80 answers: status, and where it sends one."""
    connection = http.client.HTTPConnection("127.0.0.1", pebble.challenge_port, timeout=5)
    connection.request("GET", path, headers={"Host": NAME})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Location", "")


def test_from_no_a_record_to_a_certificate_that_is_served_believed_renewed_and_outlived(
    node: Node, pebble: Pebble
) -> None:
    """One node's whole life; what each moment shows to callers, to `garret`, and in the state."""
    pinned, vouched = own(node), Authority(NAME, pebble.root())
    assert asked(pebble, node, "/any?q=1") == (301, f"https://{NAME}:{node.config.service_port}/any?q=1")
    assert asked(pebble, node, "/.well-known/acme-challenge/none")[0] == 404
    assert state(node)["state"] == "waiting"

    # Asked for already, and neither units nor nginx are touched again by the step.
    calls_before = len(calls_of(node))
    ensure_acme(node)
    starting = ["is-active nginx.service", "enable --now garret-acme.timer", "start --no-block garret-acme.service"]
    assert calls_of(node)[calls_before:] == starting

    # The authority's certificates are on their way; then the A record is missing, then set.
    world = World({})
    seen: list[dict[str, Any]] = []
    sent = node.host.path(AUTHORITIES)
    sent.rename(sent.with_suffix(".late"))
    world.meanwhile = [
        lambda: seen.append(state(node)),
        lambda: sent.with_suffix(".late").rename(sent),
        lambda: seen.append(state(node)),
        lambda: world.records.update(HERE),
    ]
    assert world.keeper(node).run() == 0
    assert seen[0]["reason"].endswith("garret deploy sends them")
    assert seen[1]["reason"] == f"{NAME} has no A record; point its A record to 127.0.0.1"
    assert (seen[1]["state"], bool(seen[1]["next_try"])) == ("waiting", True)
    assert world.naps == [5.0, 5.0, LOOK_AGAIN_S, LOOK_AGAIN_S]
    assert [call for call in calls_of(node)[calls_before:] if "reload" in call] == ["reload-or-restart nginx.service"]
    first = state(node)
    assert (first["state"], first["name"], first["reason"]) == ("issued", NAME, "")
    digest, answer = shown(node)
    assert digest == first["sha256"] != pinned
    assert "max-age" in answer.headers["Strict-Transport-Security"]
    answers_that_it_starts(endpoint(node, vouched, pinned))
    with pytest.raises(OperationError, match="another certificate"):
        endpoint(node, None, pinned).healthy()
    with pytest.raises(OperationError, match=r"no authority vouches for it as example\.com"):
        endpoint(node, Authority("example.com", pebble.root()), pinned).healthy()
    key = node.host.path(ACME_CERTIFICATE).with_name("key.pem")
    assert (key.stat().st_mode & 0o777, key.resolve().parent.stat().st_mode & 0o777) == (0o600, 0o700)

    # Started again, as at every boot, it asks nobody and touches nothing.
    log = len(calls_of(node))
    assert World().keeper(node).run() == 0
    assert (state(node)["sha256"], len(calls_of(node))) == (first["sha256"], log)

    # Two thirds of its time later it is renewed, with another key; and not while the authority is away.
    lifetime = lifetime_of(node)
    due = World(later_s=lifetime * 0.7)
    away = replace(node, config=replace(node.config, acme_server=f"https://127.0.0.1:{free_port()}/dir"))
    assert due.keeper(away).run() == 0
    assert state(node)["state"] == "issued"
    assert "Connection refused" in state(node)["reason"]
    assert shown(node)[0] == first["sha256"]
    before = key.read_bytes()
    assert due.keeper(node).run() == 0
    second = state(node)
    assert (second["state"], second["reason"]) == ("issued", "")
    assert shown(node)[0] == second["sha256"] != first["sha256"]
    assert key.read_bytes() != before
    assert len(list(key.resolve().parent.parent.iterdir())) == 1

    # A machine that was off for too long shows its own one again, which is pinned, until there is a new one.
    late = World(later_s=lifetime * 1.1)
    with pytest.raises(Enough):
        late.keeper(away).run()
    assert (state(node)["state"], shown(node)[0]) == ("failed", pinned)
    answers_that_it_starts(endpoint(node, vouched, pinned))
    assert World().keeper(node).run() == 0
    assert state(node)["state"] == "issued"


def calls_of(node: Node) -> list[str]:
    """What systemctl was asked so far."""
    log = node.host.path("/systemctl.log")
    return log.read_text().splitlines() if log.exists() else []


def lifetime_of(node: Node) -> float:
    """Seconds that the certificate is good for in all."""
    found = read_certificate(node.host, node.host.path(ACME_CERTIFICATE))
    assert found is not None
    return found.not_after - found.not_before


def test_a_challenge_that_fails_leaves_the_nodes_own_certificate_and_is_tried_again(node: Node, pebble: Pebble) -> None:
    """The authority's own words are in the state; the pauses grow, and end with the first success."""
    pebble.point(NAME, "127.0.0.9")  # where nobody listens
    world = World(meanwhile=[lambda: None, lambda: pebble.point(NAME, "127.0.0.1")])
    seen: list[str] = []
    world.meanwhile.insert(0, lambda: seen.append(state(node)["reason"]))
    assert world.keeper(node).run() == 0
    assert "connection refused" in seen[0]
    assert world.naps == list(AFTER_FAILURE_S[:3])
    assert state(node)["state"] == "issued"


def test_a_name_that_points_elsewhere_is_not_asked_for_but_once_in_a_while(node: Node) -> None:
    """Authorities count failures; but who passes requests on to this node does so on purpose."""
    world = World({NAME: "203.0.113.9"})
    world.meanwhile = [lambda: None, lambda: setattr(world, "later_s", ASK_ANYWAY_S + 1)]
    assert world.keeper(node).run() == 0
    assert world.naps == [LOOK_AGAIN_S] * 2
    assert "points to 203.0.113.9; point its A record to 127.0.0.1" in log_of(node)
    assert state(node)["state"] == "issued"


def log_of(node: Node) -> str:
    """What the program wrote."""
    return node.host.journal.log_path.read_text()


def test_without_a_name_the_certificate_is_for_the_address(node: Node, pebble: Pebble) -> None:
    """With the profile that an authority has for addresses; an authority without profiles gives its usual one."""
    nameless = replace(node, config=replace(node.config, domain=""))
    assert World({}).keeper(nameless).run() == 0
    assert (state(node)["state"], state(node)["name"]) == ("issued", "127.0.0.1")
    assert "'--preferred-profile', 'shortlived'" in node.host.path(f"{FOLDER}/logs/letsencrypt.log").read_text()
    _, answer = shown(node)
    assert answer.headers["Strict-Transport-Security"] is None
    answers_that_it_starts(endpoint(node, Authority("", pebble.root()), own(node)))


def test_an_authority_that_nobody_vouches_for_is_asked_nothing(node: Node) -> None:
    """Without --acme-ca a private authority is a stranger."""
    stranger = replace(node, config=replace(node.config, acme_ca=False))
    with pytest.raises(Enough):
        World().keeper(stranger).run()
    assert "CERTIFICATE_VERIFY_FAILED" in state(node)["reason"]
    assert shown(node)[0] == own(node)
