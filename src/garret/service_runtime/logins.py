"""What opens the service now: the settings' login, or the one that was put in its place since, in a file of root's.

The service reads the file anew when it changes, so that a password is changed without a restart and without losing a
job. Who took the service over could not change it: the file is root's, and `garret-node login` writes it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from garret.service_runtime.files import flush_folder
from garret.service_runtime.settings import ServiceSettings

logger = logging.getLogger(__name__)

LARGEST_FILE = 4096
_PASSWORD_HASH = re.compile(r"scrypt\$\d{1,8}\$\d{1,3}\$\d{1,3}\$[A-Za-z0-9_-]{8,128}\$[A-Za-z0-9_-]{16,256}")
_TOKEN_HASH = re.compile(r"sha256\$[0-9a-f]{64}")
_LOGIN = re.compile(r"[^\s:\x00-\x1f]{1,64}")


class BadLogin(ValueError):
    """What should be a login is none; names the field."""


@dataclass(frozen=True)
class Opening:
    """What opens the service: hashes only. `tokens` are pairs of a token's hash and the name of its holder.

    `owner` is the deployment's, whose password and token they are, under whatever login; `aliases` are the names under
    which its jobs were kept by earlier versions.
    """

    login: str
    password_hash: str
    tokens: tuple[tuple[str, str], ...]
    owner: str
    aliases: frozenset[str] = frozenset()

    @cached_property
    def mark(self) -> str:
        """Return a name for just this opening, which tells nothing of it."""
        said = json.dumps([self.login, self.password_hash, self.tokens, self.owner])
        return hashlib.sha256(said.encode("ascii")).hexdigest()


def holder(token_hash: str) -> str:
    """Return the name under which the jobs of a token's holder are kept."""
    return f"token-{token_hash.rpartition('$')[2][:8]}"


def check_login(values: Any) -> dict[str, str]:
    """Return login, password_hash and token_hash of a request, and nothing else of it.

    Raises:
        BadLogin: something is missing, or is no hash.
    """
    if not isinstance(values, dict):
        raise BadLogin("it is not an object")
    for name, shape in (("login", _LOGIN), ("password_hash", _PASSWORD_HASH), ("token_hash", _TOKEN_HASH)):
        if not isinstance(values.get(name), str) or not shape.fullmatch(values[name]):
            raise BadLogin(f"{name}: it is not what it should be")
    return {name: values[name] for name in ("login", "password_hash", "token_hash")}


def put_login(settings: ServiceSettings, values: Any, group: int) -> None:
    """Put another login in the place of the one that opens the service; the deployment's jobs stay its own.

    Raises:
        BadLogin: the login is none, or the service was set up by a version that reads no such file.
    """
    fresh = check_login(values)
    if not settings.login_file:
        raise BadLogin("login_file: this node's service was set up by a version that cannot change its login")
    path, before = Path(settings.login_file), Logins(settings).current()
    # `holder` is what an earlier version reads, to which a node may be brought back.
    kept = {**fresh, "owner": before.owner, "holder": before.owner, "aliases": sorted(before.aliases)}
    _write(path, json.dumps(kept, indent=1).encode("ascii"), group)


def _write(path: Path, data: bytes, group: int) -> None:
    """Have the file whole, and readable for the service from its first moment under this name."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(data)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), 0, group)
            os.fchmod(file.fileno(), 0o640)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


class Logins:
    """The login in force; looks at the file's date each time it is asked, which is cheap."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._path = Path(settings.login_file) if settings.login_file else None
        self._seen: tuple[int, int, int] | None = None
        self._current = self._read()

    def current(self) -> Opening:
        """Return what opens the service at this moment."""
        if self._path is not None and _stamp(self._path) != self._seen:
            self._current = self._read()
        return self._current

    def _read(self) -> Opening:
        settings, own = self._settings, self._own()
        if self._path is None or (stamp := _stamp(self._path)) is None:
            self._seen = None
            # The first token is the deployment's own, as its login is; others are other people's.
            names = (settings.login, *map(holder, settings.token_hashes[1:]))
            tokens = tuple(zip(settings.token_hashes, names, strict=False))
            return Opening(settings.login, settings.password_hash, (*tokens, *own), settings.login, _aliases(settings))
        self._seen = stamp
        try:
            with self._path.open("rb") as file:
                raw = json.loads(file.read(LARGEST_FILE))
            values = check_login(raw)
        except (OSError, ValueError) as error:
            # The login before may be the one that was to be shut out; so nobody gets in but the node itself.
            logger.error("%s cannot be read, and opens to nobody: %s", self._path, error)
            return Opening("", "", own, settings.login)
        owner = str(raw.get("owner") or settings.login)[:64]
        earlier = {values["login"], str(raw.get("holder") or holder(values["token_hash"]))[:64], *_names(raw)}
        aliases = (_aliases(settings) | earlier) - {owner}
        return Opening(values["login"], values["password_hash"], ((values["token_hash"], owner), *own), owner, aliases)

    def _own(self) -> tuple[tuple[str, str], ...]:
        hashed = self._settings.node_token_hash
        return ((hashed, holder(hashed)),) if hashed else ()


def _aliases(settings: ServiceSettings) -> frozenset[str]:
    """Return the names that the settings' login and token had by themselves, without the one that is theirs now."""
    return frozenset(map(holder, settings.token_hashes[:1]))


def _names(raw: Any) -> list[str]:
    """Return the earlier names that a login's file tells, as far as they are names."""
    names = raw.get("aliases")
    return [str(name)[:64] for name in names[:16]] if isinstance(names, list) else []


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return (0, 0, 0)
    return status.st_ino, status.st_ctime_ns, status.st_size
