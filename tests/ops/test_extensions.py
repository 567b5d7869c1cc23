"""What the command asks of a node for an extension, and an archive of this machine on its way."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from garret.errors import UsageError
from garret.ops.channels.cloud_assistant import LARGEST_FILE
from garret.ops.extensions import asked, packed, seconds, send
from garret.ops.records import CommandResult

EXAMPLE = Path(__file__).parents[2] / "examples" / "extension"


@dataclass
class Files:
    """A channel that keeps what is put."""

    put_there: dict[str, bytes] = field(default_factory=dict)

    def run(self, command: str, *, timeout_s: int = 60) -> CommandResult:
        """Not asked for here."""
        raise AssertionError(command, timeout_s)

    def put(self, path: str, content: bytes, *, mode: str = "0600") -> None:
        """Keep it."""
        assert mode == "0644"
        self.put_there[path] = content


def test_addresses_and_names_go_as_they_are() -> None:
    """With what was said beside them, and no more."""
    assert asked("mood==1.2", None, None, None).parameters == {"source": "mood==1.2"}
    wish = asked("https://example.com/mood.zip", "https://mirror.example.com", "A" * 64, "5m")
    assert wish.parameters == {
        "source": "https://example.com/mood.zip",
        "mirror": "https://mirror.example.com",
        "sha256": "A" * 64,
        "patience_s": 300,
    }
    assert wish.archive == b""


def test_a_folder_is_packed_the_same_way_each_time(tmp_path: Path) -> None:
    """Without what is hidden or made; a link is refused."""
    first = packed(EXAMPLE)
    assert first == packed(EXAMPLE)
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        names = tar.getnames()
    assert "src/studio_style/__init__.py" in names
    assert "pyproject.toml" in names
    assert not [name for name in names if "__pycache__" in name or name.startswith(".")]
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").touch()
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="is a link"):
        packed(tmp_path)


def test_an_archive_goes_in_pieces_named_by_its_hash() -> None:
    """Before the execution begins, so that it can be taken up again."""
    wish = asked(str(EXAMPLE), None, None, None)
    digest = hashlib.sha256(wish.archive).hexdigest()
    channel, heard = Files(), []
    parameters = send(channel, wish, lambda done, total: heard.append((done, total)))
    assert parameters == {"source": "sent:extension", "sha256": digest, "pieces": len(channel.put_there)}
    assert all(len(piece) <= LARGEST_FILE for piece in channel.put_there.values())
    assert b"".join(channel.put_there[name] for name in sorted(channel.put_there)) == wish.archive
    assert sorted(channel.put_there)[0] == f"/var/lib/garret/requests/{digest}.000"
    assert heard[-1] == (len(wish.archive), len(wish.archive))


@pytest.mark.parametrize(
    ("source", "mirror", "sha256", "patience", "said"),
    [
        ("./nowhere.zip", None, None, None, "SOURCE: there is no file"),
        ("/etc/hostname", None, None, None, "SOURCE: .*not a .zip or .tar.gz"),
        ("/etc", None, None, None, "SOURCE: .*has no pyproject.toml"),
        (str(EXAMPLE), None, "0" * 64, None, "--sha256: extension has [0-9a-f]{64}"),
        (str(EXAMPLE), "https://mirror.example.com", None, None, "--mirror"),
        ("git+https://example.com/o/r", None, "0" * 64, None, "--sha256"),
        ("--upgrade", None, None, None, "SOURCE"),
        ("mood", None, None, "2h", "--patience"),
        ("mood", None, None, "0s", "--patience"),
        ("mood", "ftp://x", None, None, "--mirror"),
    ],
)
def test_what_is_plainly_wrong_is_refused_here(
    source: str, mirror: str | None, sha256: str | None, patience: str | None, said: str
) -> None:
    """By the option that a person typed, before the node hears of it."""
    with pytest.raises(UsageError, match=said):
        asked(source, mirror, sha256, patience)


def test_a_large_archive_is_for_the_node_to_fetch(tmp_path: Path) -> None:
    """Each piece is a call of the cloud."""
    (tmp_path / "large.zip").write_bytes(bytes(2_000_001))
    with pytest.raises(UsageError, match="2000001 bytes"):
        asked(str(tmp_path / "large.zip"), None, None, None)


def test_patience_is_seconds_or_minutes() -> None:
    """And nothing else."""
    assert (seconds("90"), seconds("90s"), seconds("60m")) == (90, 90, 3600)
