"""The node's own token: it opens the service for the node itself, and never leaves the node."""

from __future__ import annotations

import secrets

from garret.image_bootstrap.host import Host

NODE_TOKEN = "/etc/garret/node.token"  # noqa: S105 - a path
# The mark lets the journal know it, should a program ever print it.
_MARK = "gnt_"


def node_token(host: Host) -> str:
    """Return the token, made here when there is none; only root reads the file."""
    path = host.path(NODE_TOKEN)
    known = path.read_text("ascii").strip() if path.is_file() else ""
    token = known if known.startswith(_MARK) else _MARK + secrets.token_urlsafe(32)
    host.write(NODE_TOKEN, token + "\n", 0o600)
    return token
