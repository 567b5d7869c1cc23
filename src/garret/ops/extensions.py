"""Extensions of a node's service: what is asked for, and archives of this machine on their way to the node."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from garret.errors import UsageError
from garret.ops.channels.cloud_assistant import LARGEST_FILE, CloudAssistantChannel
from garret.ops.executions import REQUESTS
from garret.service_runtime.extensions.sources import ARCHIVES, SENT, WrongSource, parse_source

if TYPE_CHECKING:
    from garret.ops.channels import Channel

INSTALL = "install-extension"
LARGEST = 2_000_000
"""Bytes of an archive that travel in pieces, each of them a call of the cloud; larger ones are fetched by the node."""
AT_ONCE = 4
_LEFT_OUT = ("__pycache__", "build", "dist")
_DURATION = re.compile(r"([0-9]{1,4})([sm]?)")


@dataclass(frozen=True)
class Asked:
    """An installation as it is asked for; `archive` is sent along, when it lies on this machine."""

    parameters: Mapping[str, Any]
    archive: bytes = b""


def asked(source: str, mirror: str | None, sha256: str | None, patience: str | None) -> Asked:
    """What the node is asked for; what is plainly wrong is refused before it hears of it.

    Raises:
        UsageError: names what is wrong.
    """
    limits = {} if patience is None else {"patience_s": seconds(patience)}
    path = _path(source)
    try:
        if path is None:
            parse_source(source, mirror or "", sha256 or "")
            said = {"source": source.strip(), "mirror": mirror, "sha256": sha256}
            return Asked({key: value for key, value in said.items() if value} | limits)
        archive = packed(path) if path.is_dir() else path.read_bytes()
        digest = hashlib.sha256(archive).hexdigest()
        parse_source(SENT + path.name, mirror or "", sha256 or "")
    except WrongSource as error:
        field = "SOURCE" if error.field == "source" else f"--{error.field}"
        raise UsageError(f"{field}: {error.reason}", error.hint) from None
    except OSError as error:
        raise UsageError(f"SOURCE: {path}: {error.strerror}") from None
    if sha256 and digest != sha256.lower():
        raise UsageError(f"--sha256: {path.name} has {digest}", f"sha256sum {path}")
    if len(archive) > LARGEST:
        raise UsageError(
            f"SOURCE: {path.name} has {len(archive)} bytes, and {LARGEST} are sent from this machine",
            "put it where the node can fetch it, and give that address",
        )
    return Asked({"source": SENT + path.name, "sha256": digest} | limits, archive)


def seconds(text: str) -> int:
    """Read 90, 90s or 5m."""
    found = _DURATION.fullmatch(text)
    value = int(found[1]) * (60 if found[2] == "m" else 1) if found else 0
    if not 1 <= value <= 3600:
        raise UsageError(f"--patience: {text!r} is not 1s to 60m", "--patience 5m")
    return value


def packed(folder: Path) -> bytes:
    """A project's folder as a tar.gz; the same files always give the same bytes.

    Raises:
        UsageError: it holds a link, or is no project.
    """
    import tarfile

    if not (folder / "pyproject.toml").is_file():
        raise UsageError(f"SOURCE: {folder} has no pyproject.toml", "see docs/extensions.md")
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if any(part.startswith(".") or part in _LEFT_OUT or part.endswith(".egg-info") for part in name.parts):
                continue
            if path.is_symlink():
                raise UsageError(f"SOURCE: {path} is a link", "put the file itself there")
            if path.is_file():
                content = path.read_bytes()
                member = tarfile.TarInfo(name.as_posix())
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), 9, mtime=0)


def send(channel: Channel, wish: Asked, told: Callable[[int, int], None]) -> Mapping[str, Any]:
    """Bring what lies on this machine beside the node's requests, named by its hash; the parameters of the request.

    Sent before the execution begins, so that this can be taken up again whoever dies meanwhile.
    """
    if not wish.archive:
        return wish.parameters
    digest = wish.parameters["sha256"]
    pieces = [wish.archive[start : start + LARGEST_FILE] for start in range(0, len(wish.archive), LARGEST_FILE)]

    def put(number: int) -> int:
        # Not secret, and read by the service's user.
        channel.put(f"{REQUESTS}/{digest}.{number:03d}", pieces[number], mode="0644")
        return len(pieces[number])

    done = 0
    with ThreadPoolExecutor(AT_ONCE if isinstance(channel, CloudAssistantChannel) else 1) as pool:
        for size in pool.map(put, range(len(pieces))):
            done += size
            told(done, len(wish.archive))
    return {**wish.parameters, "pieces": len(pieces)}


def _path(text: str) -> Path | None:
    """The file or folder of this machine that is meant, if one is."""
    if "://" in text or text.startswith(("git+", "git@")):
        return None
    looks = text.startswith((".", "/", "~")) or "/" in text or text.lower().endswith(ARCHIVES)
    if not looks:
        return None
    path = Path(text).expanduser()
    if not path.exists():
        raise UsageError(f"SOURCE: there is no file or folder {text}", "a package is its name alone")
    if path.is_file() and not path.name.lower().endswith(ARCHIVES):
        raise UsageError(f"SOURCE: {text} is not a .zip or .tar.gz", "give the project's folder, or an archive of it")
    return path.absolute()
