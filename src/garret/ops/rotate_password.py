"""Rotate: another password and another token open the service, at once and without a restart; the old ones end.

Only salted hashes leave this machine, in a file; never in an argument or a command's text. The new login is on this
machine's disk before the node hears of it, so that whatever breaks in between, nobody is shut out for good.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from garret.errors import NodeFailed, NotReady, OperationError, UsageError
from garret.ops.channels import Channel
from garret.ops.deployment import NEXT_FILE, Deployment, Login, flag, generate_password, same_password
from garret.ops.endpoint import endpoint_at
from garret.ops.executions import REQUESTS, Node
from garret.ops.work import Work

IN_FORCE_S, LOOK_S = 15.0, 3.0
"""Each look that is refused counts as a failed login, and ten of them a minute close the door for a while."""


def run(work: Work) -> dict[str, Any]:
    """Give the service another password, another token, or both (`password` and `token` in the parameters)."""
    node = Node.of(work.cloud, work.deployment)
    with work.deployment.journal.locked():  # of two at once, the node would have one login and this machine the other
        return rotate(work, node.channel, secret=work.secrets.get("password", ""))


def rotate(work: Work, channel: Channel, *, secret: str) -> dict[str, Any]:
    """Tell the node, keep the login, and see that the service knows the new one and no longer the old one.

    Raises:
        OperationError: the service goes on with the old one.
    """
    before, asked = login_of(work.deployment), work.parameters
    with work.task("make"):
        fresh = _fresh(work.deployment, before, asked, secret)
    with work.task("tell the node"):
        send(channel, fresh)
        work.crash.point("rotate.sent")
        keep(work.deployment, fresh)
    with work.task("look"):
        in_force = _in_force(work, before, fresh, secret if asked.get("password") else "")
    return {
        "name": work.deployment.name,
        "login": fresh.login,
        "changed": [name for name in ("password", "token") if asked.get(name)],
        "in_force": in_force,
        "password_kept": bool(fresh.password),
    }


def login_of(deployment: Deployment) -> Login:
    """What opens the deployment's service by what this machine knows.

    Raises:
        UsageError: it knows none.
    """
    login = deployment.login
    if login is None:
        raise UsageError(
            f"the login of {deployment.name} is not on this machine",
            "rotate it on the machine that deployed it; or delete the deployment and make it anew",
        )
    return login


def password_for(given: str | None, before: Login) -> tuple[str, bool]:
    """The password that was given, or one that is made; and whether it was made.

    Raises:
        SpecError: the password breaks the cloud's rule.
        UsageError: it is the one that is to go.
    """
    from garret.spec import check_password

    if given is not None and same_password(before, given):
        raise UsageError("password: it is the one that the service has", "give another, or none to have one made")
    return check_password(given if given is not None else generate_password()), given is None


def send(channel: Channel, login: Login) -> None:
    """Put the login's hashes onto the node and have them taken over.

    Raises:
        NodeFailed: the node does not take them.
    """
    from garret.service_runtime.passwords import hash_token

    identifier = uuid.uuid4().hex
    hashes = {"password_hash": login.password_hash, "token_hash": hash_token(login.token)}
    values = {"login": login.login, **hashes}
    channel.put(f"{REQUESTS}/{identifier}.json", json.dumps({"verb": "login", "parameters": values}).encode("utf-8"))
    result = channel.run(f"garret-node login {identifier}")
    if result.exit_code == 0:
        return
    try:
        reason = str(json.loads(result.output)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        reason = (result.output.strip() or result.error or result.status)[-300:]
    raise NodeFailed(f"the node does not take the new login: {reason}", "garret status; the old login goes on")


def keep(deployment: Deployment, fresh: Login) -> None:
    """Have this machine use the new login from now on."""
    deployment.keep_login(fresh)
    (deployment.journal.folder / NEXT_FILE).unlink(missing_ok=True)


def _fresh(deployment: Deployment, before: Login, asked: Mapping[str, Any], secret: str) -> Login:
    """The login to come, on this machine's disk: the one of an attempt that broke off, if it was for the same."""
    from garret.service_runtime.passwords import hash_password, new_token

    begun = _begun(deployment)
    if begun and _is_for(begun, before, asked, secret):
        return replace(before, token=begun.token, password_hash=begun.password_hash, password=begun.password)
    fresh = before
    if asked.get("password"):
        kept = secret if asked.get("generated") else ""
        fresh = replace(fresh, password_hash=hash_password(secret), password=kept)
    if asked.get("token"):
        fresh = replace(fresh, token=new_token())
    values = {name: value for name, value in asdict(fresh).items() if name != "authority"}
    deployment.journal.write_private(NEXT_FILE, json.dumps(values, indent=1).encode("utf-8"))
    return fresh


def _is_for(begun: Login, before: Login, asked: Mapping[str, Any], secret: str) -> bool:
    """Whether an attempt that broke off was for just this: another password, another token, or both."""
    kept = begun.password_hash == before.password_hash
    password = same_password(begun, secret) and not kept if asked.get("password") else kept
    return password and bool(asked.get("token")) == (begun.token != before.token)


def _begun(deployment: Deployment) -> Login | None:
    raw = deployment.journal.read_private(NEXT_FILE)
    try:
        return Login(**json.loads(raw)) if raw else None
    except (ValueError, TypeError):
        return None


def _in_force(work: Work, before: Login, fresh: Login, secret: str) -> bool:
    """Ask the service until the new login opens it and the old token does not; False when nobody answers from here.

    Raises:
        OperationError: it goes on with the old one.
    """
    clock, shut = work.cloud.clock, fresh.token != before.token
    deadline = clock.monotonic() + IN_FORCE_S
    while True:
        try:
            if _opens(fresh, secret) and not (shut and endpoint_at(before).takes()):
                return True
        except NotReady as error:
            work.tell.stage("look", "skipped", error.message)
            return False
        if clock.monotonic() > deadline:
            break
        clock.sleep(LOOK_S)
    raise OperationError(
        f"the node has the new login, and its service goes on with the old one after {IN_FORCE_S:.0f} s",
        f"garret ops restart-service{flag(work.deployment.name)}",
    )


def _opens(login: Login, secret: str) -> bool:
    endpoint = endpoint_at(login)
    return endpoint.takes() and (not secret or endpoint.takes(login.login, secret))
