"""garret's client for what this machine has deployed, and its errors in the words of a command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from garret.client.errors import (
    Busy,
    ClientError,
    Conflict,
    Forbidden,
    JobFailed,
    Later,
    Refused,
    Stalled,
    Unauthorized,
    Unreachable,
    Untrusted,
    WrongCertificate,
)
from garret.client.manners import Manners
from garret.client.trust import Trust
from garret.errors import GarretError, NotReady, OperationError, UsageError

if TYPE_CHECKING:
    from garret.client.client import Client
    from garret.ops.authority import Authority
    from garret.ops.deployment import Deployment, Login

TYPED = Manners(retry_s=60.0, absent_s=0.0)
"""How patient a command is whose caller looks on: where nobody listens, that is told at once."""
_OURS = ("BadRequest", "UnknownChoice", "NotFound", "ModelError")


class Full(NotReady):
    """The service takes no more now; it goes on with what it has."""


def client_of(deployment: Deployment, manners: Manners | None = None) -> Client:
    """Return a client of a deployment's service: its address, this machine's token, and the certificate it reported.

    Raises:
        UsageError: it was never ready here.
    """
    from garret.ops.deployment import flag

    login = deployment.login
    if login is None or not login.endpoint:
        raise UsageError(
            f"{deployment.name} has no endpoint that this machine knows", f"garret deploy{flag(deployment.name)}"
        )
    return client_at(login, manners)


def client_named(name: str | None = None) -> Client:
    """Return a client of a deployment by its name, or of the only one, as `garret generate` would find it.

    Raises:
        UsageError: there are several, or it was never ready here.
    """
    import os

    from garret.ops.deployment import named
    from garret.settings import load_settings

    return client_of(named(load_settings(os.environ).deployments, name))


def client_at(login: Login, manners: Manners | None = None) -> Client:
    """Return a client of the service that a login opens."""
    from garret.client.client import Client

    with in_words_of_a_command():
        return Client(
            login.endpoint, login.token, trust=trust_of(login.tls_sha256, login.authority), manners=manners or TYPED
        )


def trust_of(fingerprint: str, authority: Authority | None) -> Trust:
    """Return what is known of a service's certificate."""
    if authority is None:
        return Trust(fingerprint)
    return Trust(fingerprint, authority=True, name=authority.name, ca=authority.ca)


@contextmanager
def in_words_of_a_command(let_through: tuple[type[ClientError], ...] = ()) -> Iterator[None]:
    """Raise the client's errors as those that a command shows, except for those to `let_through`."""
    try:
        yield
    except let_through:
        raise
    except ClientError as error:
        raise worded(error) from error.__cause__ or error


def worded(error: ClientError) -> GarretError:
    """Return an error of the client's as a command shows it, with what to type next."""
    if isinstance(error, Refused):
        return _refusal(error)
    if isinstance(error, JobFailed) and error.name in _OURS:
        return UsageError(error.message, "garret generate --help")
    if isinstance(error, (Unreachable, Stalled)):
        return NotReady(error.message, "garret status")
    message, hint = error.message, "garret status"
    if isinstance(error, JobFailed):
        message = f"no picture was made: {message}"
    elif isinstance(error, WrongCertificate):
        hint = "someone may be in between, or the node was made anew: garret status"
    elif isinstance(error, Untrusted):
        hint = "garret deploy   (reads the node's fingerprint from its stack)"
    return OperationError(message, hint)


def _refusal(error: Refused) -> GarretError:
    if isinstance(error, (Unauthorized, Forbidden)):
        return OperationError(
            f"the service does not take this deployment's token (HTTP {error.status})",
            "it was made on another machine, or anew: use its login in a browser, or deploy it from here",
        )
    if isinstance(error, Later) and (booting := _booting(error.body)):
        return NotReady(f"{booting}", "garret status")
    if isinstance(error, Busy):
        return Full(error.message, "the same again in a few minutes")
    # A chunk of an upload that came twice, or while the last one is still being written: asked anew, it goes on.
    if isinstance(error, Later) or (isinstance(error, Conflict) and error.name == "OutOfStep"):
        return NotReady(error.message, error.hint or "try again in a moment")
    if 400 <= error.status < 500:
        return UsageError(error.message, error.hint)
    return OperationError(error.message, error.hint or "garret status")


def _booting(raw: bytes) -> str:
    """What the node's front says while there is no service: how far the bootstrap is, or where it stopped."""
    try:
        facts: Any = json.loads(raw)
    except ValueError:
        return ""
    if not isinstance(facts, dict):
        return ""
    status, step = facts.get("status"), str(facts.get("step") or "")[:60]
    if status == "failed":
        return f"setting up the node failed at {step or 'a step'}"
    if status != "starting":
        return ""
    if not step:
        return "the node is starting"
    return f"the node is being set up: {step}, {facts.get('steps_done')} of {facts.get('steps_total')} steps done"
