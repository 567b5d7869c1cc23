"""Operations that callers of the service ask for: the node's own verbs, with their records among the node's.

A long one runs in a process of its own, as `garret-node` runs it: the service answers on, and a crash of either leaves
the other alone. Parameters, which may hold a token, reach it by a pipe: neither its arguments nor a record has them.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from garret.service_runtime.errors import BadRequest, Busy, ModelError, ServiceError
from garret.service_runtime.executions import ENDED, FAILED, Execution, ExecutionStore
from garret.service_runtime.settings import PREFIX, ServiceSettings
from garret.service_runtime.worker_process import without_secrets

DOWNLOAD = "download-model"
MOST_DOWNLOADS = 4
"""So many run side by side; one more is told to come later."""
_LATER_S = 30
# What the node's verbs call their options on a command line, as callers of the API say it.
_WORDS = (
    ("--token-env NAME", "token"), ("--force", "force"), ("--name", "name"), ("--type", "type"), ("--sha256", "sha256"),
    ("--url", "url"), ("garret ops remove-model", "DELETE /v1/models/TYPE/NAME"),
    ("garret ops download-model", "POST /v1/models"), ("token_env", "token"),
)  # fmt: skip


class OwnOperations:
    """Begins and carries out verbs for callers; its methods block for a moment."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._begun: dict[str, str] = {}

    @property
    def store(self) -> ExecutionStore:
        """Return the records, those that came by other ways among them."""
        return ExecutionStore(self._settings.state_dir / "executions")

    def downloads(self) -> list[Execution]:
        """Return the downloads of this node, newest first."""
        return [one for one in self.store.all() if one.verb == DOWNLOAD]

    def download(self, parameters: Mapping[str, Any], caller: str, subject: dict[str, str]) -> Execution:
        """Begin a download; the same one again, while it runs, is that one. `subject` is what lists say it is about.

        Raises:
            Busy: too many run already.
        """
        # Of what was asked a digest alone is kept: there may be a token in it.
        asked = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
        with self._lock:
            running = [one for one in self.downloads() if one.status not in ENDED]
            for one in running:
                if self._begun.get(one.id) == asked:
                    return one
            if len(running) >= MOST_DOWNLOADS:
                raise Busy(f"{len(running)} downloads run already", "Ask again", retry_after=_LATER_S)
            execution = self._begin(DOWNLOAD, parameters, caller, subject)
            self._begun = {one.id: self._begun[one.id] for one in running if one.id in self._begun}
            self._begun[execution.id] = asked
        return execution

    def do(self, verb: str, parameters: Mapping[str, Any], caller: str) -> dict[str, Any]:
        """Carry out a verb that takes no time, and return its output.

        Raises:
            BadRequest, ModelError: it did not do it, and why.
        """
        from garret.service_runtime.operations.run import Run, run_operation
        from garret.service_runtime.wanted import Surroundings

        store = self.store
        execution = store.save(Execution(secrets.token_hex(16), verb, caller[:200]))
        with store.held(execution.id):
            ended = run_operation(Run(store, execution, self._settings, Surroundings()), parameters)
        if ended.status == FAILED:
            raise refusal(ended.error or {})
        return ended.output

    def _begin(self, verb: str, parameters: Mapping[str, Any], caller: str, subject: dict[str, str]) -> Execution:
        store = self.store
        execution = store.save(Execution(secrets.token_hex(16), verb, caller[:200], subject=subject))
        kept = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "OTEL_"))}
        with store.log_path(execution.id).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "garret.service_runtime.operations.apart", execution.id],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**kept, **without_secrets(self._settings).to_env()},
            )
        with process.stdin as pipe:  # type: ignore[union-attr]
            pipe.write(json.dumps(parameters).encode())
        # Those that have ended are taken leave of here: otherwise each would stay in the list of processes.
        self._processes = [process, *(one for one in self._processes if one.poll() is None)]
        return execution


def refusal(error: Mapping[str, str]) -> ServiceError:
    """Return what a caller is told of an operation that did not do what was asked, in the words of the API."""
    message, hint = error.get("message", ""), as_api_says(error.get("hint", ""))
    field, colon, reason = message.partition(": ")
    return BadRequest(field, reason, hint) if colon and field.isidentifier() else ModelError(message, hint)


def as_api_says(hint: str) -> str:
    """Return a hint that speaks of the command line's options in the words of the API."""
    for option, word in _WORDS:
        hint = hint.replace(option, word)
    return hint
