"""What garret-acme.service runs: get a trusted certificate, or renew it; try again until callers are shown one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from garret.image_bootstrap import node_config
from garret.image_bootstrap.acme.client import ask_for_certificate, ensure_client
from garret.image_bootstrap.acme.names import Resolve, missing_record, other_record, public_address, resolve
from garret.image_bootstrap.acme.serving import Certificate, serve, served, withdraw
from garret.image_bootstrap.acme.state import AUTHORITIES, FOLDER, State, iso, write_state
from garret.image_bootstrap.first_stage import Journal, StepFailed
from garret.image_bootstrap.host import Host
from garret.image_bootstrap.node_config import NodeConfig
from garret.image_bootstrap.steps import Node
from garret.image_bootstrap.steps.service import ensure_address

LOG = "/var/log/garret/acme.log"
LOOK_AGAIN_S = 60.0
"""The DNS may be asked often. Authorities may not: Let's Encrypt lets a name fail five times an hour."""
AFTER_FAILURE_S = (300.0, 900.0, 1800.0, 3600.0)
ASK_ANYWAY_S = 12 * 3600.0
"""A name that points elsewhere may do so on purpose, to something that passes requests on to this node."""


@dataclass
class Keeper:
    """One run of the program; `ask` resolves names, `now` tells the time, `sleep` waits."""

    node: Node
    ask: Resolve = resolve
    now: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep
    failures: int = 0
    asked_at: float = 0.0
    said: str = ""

    def run(self) -> int:
        """Try until callers are shown a trusted certificate; what renews it later is the timer."""
        while True:
            state, pause_s = self.round()
            text = f"{state.state} {state.name}" + (f": {state.reason}" if state.reason else "")
            if text != self.said:  # who waits for an A record may wait for weeks
                self.node.host.journal.log(text)
            self.said = text
            if state.state == "issued":
                write_state(self.node.host, state)
                return 0
            write_state(self.node.host, replace(state, next_try=iso(self.now() + pause_s)))
            self.sleep(pause_s)

    def round(self) -> tuple[State, float]:
        """One attempt; how it is now, and after how many seconds to try again."""
        address = public_address(self.node.host)
        name = self.node.config.domain or address
        if not name:
            return State("waiting", reason="this machine has no public address yet"), LOOK_AGAIN_S
        if self.node.config.acme_ca and not self.node.host.path(AUTHORITIES).is_file():
            return State(
                "waiting", name, "the authority's certificates have not come yet: garret deploy sends them"
            ), 5.0
        good = served(self.node, name, self.now())
        try:
            if good is None:
                withdraw(self.node)
            elif not good.is_due(self.now()):
                return _issued(name, good), 0.0
            return self._attempt(name, address, good)
        except (StepFailed, OSError) as failed:
            self.failures += 1
            pause_s = AFTER_FAILURE_S[min(self.failures, len(AFTER_FAILURE_S)) - 1]
            reason = str(failed) + (other_record(name, self.ask) if self.node.config.domain else "")
            return (_issued(name, good, reason) if good else State("failed", name, reason)), pause_s

    def _attempt(self, name: str, address: str, good: Certificate | None) -> tuple[State, float]:
        missing = missing_record(name, address, self.ask) if self.node.config.domain else ""
        elsewhere = missing and " points to " in missing
        if missing and not (elsewhere and self.now() - self.asked_at >= ASK_ANYWAY_S and self.asked_at):
            self.asked_at = self.asked_at or self.now()
            return (_issued(name, good, missing) if good else State("waiting", name, missing)), LOOK_AGAIN_S
        certbot = ensure_client(self.node)
        self.asked_at = self.now()
        folder = self.node.host.path(f"{FOLDER}/fresh")
        try:
            ask_for_certificate(self.node, certbot, name, folder)
        except StepFailed as failed:
            raise StepFailed(f"{failed}; {missing}" if missing else str(failed)) from failed
        return _issued(name, serve(self.node, folder)), 0.0


def _issued(name: str, certificate: Certificate, reason: str = "") -> State:
    return State("issued", name, reason, iso(certificate.not_after), certificate.sha256)


def main(environment: Mapping[str, str]) -> int:
    """Run on this machine; 0 when there is a certificate that is good for a while."""
    host = Host.from_environment(environment)
    journal = Journal(host.root)
    journal.log_path = host.path(LOG)
    host = Host(host.root, environment, journal)
    config = NodeConfig.from_json(host.path(node_config.PATH).read_text("utf-8"))
    node = Node(host, config)
    ensure_address(node)
    return Keeper(node).run()


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
