"""The configuration of nginx as the front of a node: a text with places in it, filled with checked values."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from garret.service_runtime.settings import (
    CHUNK_BYTES,
    MAXIMUM_BODY_BYTES,
    MAXIMUM_LOGIN_BYTES,
    MAXIMUM_PICTURE_BODY_BYTES,
)

_FOLDER = Path(__file__).resolve().parent / "front"
_VALUE = re.compile(r"[A-Za-z0-9_./:\[\]-]+")
_PLACE = re.compile(r"@([A-Z_]+)@")
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True)
class Front:
    """Where the front listens, what it shows, and what is behind it; `listen` and `inner` are address:port.

    `mark` is what a running nginx tells its own machine at /-/applied.
    """

    listen: str
    inner: str
    certificate: str
    key: str
    strict_transport: bool = False
    user: str = "www-data"
    pid: str = "/run/nginx.pid"
    logs: str = "/var/log/nginx"
    state: str = "/var/lib/nginx"
    www: str = "/var/lib/garret/www"
    sites: str = "/etc/nginx/garret.d"
    body_bytes: int = MAXIMUM_BODY_BYTES
    picture_body_bytes: int = MAXIMUM_PICTURE_BODY_BYTES
    chunk_bytes: int = CHUNK_BYTES
    mark: str = "none"


def boot_page() -> str:
    """Return the page that is shown while the node is not ready; it needs no other file than boot.json."""
    return (_FOLDER / "index.html").read_text("utf-8")


def front_config(front: Front) -> str:
    """Return the text of nginx.conf.

    Raises:
        ValueError: a value holds characters that would mean something else there.
    """
    names = (
        "listen",
        "inner",
        "certificate",
        "key",
        "user",
        "pid",
        "logs",
        "state",
        "www",
        "sites",
        "body_bytes",
        "picture_body_bytes",
        "chunk_bytes",
        "mark",
    )
    values = {name.upper(): str(getattr(front, name)) for name in names}
    for name, value in values.items():
        if not _VALUE.fullmatch(value):
            raise ValueError(f"{name.lower()}: {value!r} cannot stand in nginx's configuration")
    # A certificate that nobody vouches for must stay passable by hand, which this header forbids.
    hsts = 'add_header Strict-Transport-Security "max-age=31536000" always;' if front.strict_transport else ""
    values |= {"LOGIN_BODY_BYTES": str(MAXIMUM_LOGIN_BYTES), "HSTS": hsts, "CSP": content_security_policy(boot_page())}
    text = (_FOLDER / "nginx.conf").read_text("utf-8")
    return _PLACE.sub(lambda place: values[place[1]], text)


def content_security_policy(page: str) -> str:
    """Return the policy under which exactly the page's own script and style work, and nothing else."""
    digests: dict[str, list[str]] = {"script": [], "style": []}
    for kind, content in _INLINE.findall(page):
        digest = base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode("ascii")
        digests[kind].append(f"'sha256-{digest}'")
    return (
        f"default-src 'none'; script-src {' '.join(digests['script'])}; style-src {' '.join(digests['style'])}; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
