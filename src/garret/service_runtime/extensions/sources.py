"""What a person names as the source of an extension: a package of the index, a git repository, or an archive."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

ARCHIVES = (".zip", ".tar.gz", ".tgz")
HOSTS = ("github.com", "gitlab.com", "gitee.com", "codeberg.org", "bitbucket.org", "codeup.aliyun.com")
SENT = "sent:"
"""Before the file name of an archive that came with the request itself."""
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\[[A-Za-z0-9._, -]+\])?"
    r"( *(===|==|>=|<=|~=|!=|<|>) *[A-Za-z0-9.*+!_-]+( *, *(==|>=|<=|~=|!=|<|>) *[A-Za-z0-9.*+!_-]+)*)?"
)
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
FORMS = (
    "a package's name, a git address (https://….git or git+https://…[@REF]), or the https address of a .zip or .tar.gz"
)


class WrongSource(Exception):
    """A source, or what belongs to it, is wrong; `field` is the parameter's name."""

    def __init__(self, field: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True)
class Source:
    """Where an extension comes from; `mirror` is an index for pip, and goes before the address of anything else."""

    kind: str
    address: str
    ref: str = ""
    mirror: str = ""
    sha256: str = ""

    @property
    def shown(self) -> str:
        """Return what the record and the lists say."""
        if self.kind == "git":
            return f"git+{self.address}" + (f"@{self.ref}" if self.ref else "")
        return f"{SENT}{self.address}" if self.kind == "sent" else self.address

    @property
    def url(self) -> str:
        """Return the address that is really asked."""
        return self.mirror.rstrip("/") + "/" + self.address if self.mirror else self.address


def parse_source(text: str, mirror: str = "", sha256: str = "") -> Source:
    """Tell what kind of source a text names, and hold its mirror and hash against that.

    Raises:
        WrongSource: names the parameter.
    """
    source = _parse(text.strip(), mirror, sha256.lower())
    if sha256 and not _SHA256.fullmatch(sha256):
        raise WrongSource("sha256", f"{sha256[:80]!r} is not 64 hexadecimal digits", "sha256sum extension.zip")
    if sha256 and source.kind == "git":
        raise WrongSource("sha256", "a git repository is pinned by a commit", f"git+{source.address}@COMMIT")
    if mirror:
        _check_url("mirror", mirror)
        if source.kind == "sent":
            raise WrongSource("mirror", "the archive comes from this machine", "leave it out")
    return source


def _parse(text: str, mirror: str, sha256: str) -> Source:
    if text.startswith(SENT):
        return Source("sent", text.removeprefix(SENT)[:200], "", mirror, sha256)
    if text.startswith("git+"):
        return _git(text.removeprefix("git+"), mirror, sha256)
    if "://" not in text:
        if text.startswith("git@"):
            raise WrongSource("source", "only https addresses are fetched", "git+https://HOST/OWNER/REPOSITORY")
        if len(text) > 300 or not _REQUIREMENT.fullmatch(text):
            raise WrongSource("source", f"{text[:80]!r} is no source of an extension", f"Give {FORMS}")
        return Source("pip", text, "", mirror, sha256)
    parts = _check_url("source", text)
    path = parts.path.rstrip("/").lower()
    if path.endswith(ARCHIVES):
        return Source("archive", text, "", mirror, sha256)
    if ".git" in path or (parts.hostname in HOSTS and path.count("/") == 2):
        return _git(text, mirror, sha256)
    if path.endswith(".whl"):
        raise WrongSource(
            "source", "a wheel alone is not installed", "Give the package's name, with --mirror for an index"
        )
    raise WrongSource("source", f"{text[:80]!r} is no source of an extension", f"Give {FORMS}")


def _git(text: str, mirror: str, sha256: str) -> Source:
    address, ref = text, ""
    path = urlsplit(text).path
    if "@" in path:
        address, _, ref = text.rpartition("@")
        if not _REF.fullmatch(ref) or ".." in ref:
            raise WrongSource("source", f"{ref[:80]!r} is not a branch, tag or commit", "git+https://…@v1.2")
    _check_url("source", address)
    return Source("git", address.rstrip("/"), ref, mirror, sha256)


def _check_url(field: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise WrongSource(field, f"the address cannot be read: {error}") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise WrongSource(field, f"{text[:80]!r} is not an https address", "Give one that begins with https://")
    if parts.username or parts.password:
        raise WrongSource(field, "the address holds a login, which would be kept on the node", "Leave it out")
    if any(ord(character) <= 32 or ord(character) == 127 for character in text) or len(text) > 2000:
        raise WrongSource(field, "the address holds a space or a control character, or is too long")
    return parts
