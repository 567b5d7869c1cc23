"""Tokens for a model's source: from the environment to the node by a way that keeps nothing of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from garret.errors import NotReady, OperationError, UsageError
from garret.ops.deployment import Deployment
from garret.ops.generate import endpoint_of


def tokens_of(names: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The tokens of variables.

    Raises:
        UsageError: one is not set.
    """
    found = {}
    for name in dict.fromkeys(names):
        token = environment.get(name, "").strip()
        if not token:
            hint = f"export {name}=…   (the token's text is never an option)"
            raise UsageError(f"--token-env: {name} is not set", hint)
        found[name] = token
    return found


def handing(
    deployment: Deployment, tokens: Mapping[str, str], *, by_ssh: bool
) -> Callable[[str], Mapping[str, Any]] | None:
    """How tokens go: in the request by SFTP, else to the service itself over TLS before the operation begins."""
    if not tokens:
        return None
    if by_ssh:
        return lambda _identifier: {"tokens": dict(tokens)}

    def hand_over(identifier: str) -> Mapping[str, Any]:
        try:
            endpoint_of(deployment).put(f"/v1/executions/{identifier}/secrets", {"tokens": dict(tokens)})
        except (NotReady, UsageError, OperationError) as error:
            raise type(error)(
                f"--token-env: the token goes to the service itself, for Cloud Assistant keeps what it carries; "
                f"and {error.message}",
                "by SSH, where port 22 was opened: --ssh root@HOST --ssh-key FILE; or a file that needs no token",
            ) from error
        return {"handed": True}

    return hand_over
