"""What a person may name, what an archive may hold, and what a project must say."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from garret.service_runtime.extensions.archives import BadArchive, project_folder, unpack
from garret.service_runtime.extensions.project import GROUP, NotAnExtension, read_project
from garret.service_runtime.extensions.sources import WrongSource, parse_source
from garret.service_runtime.extensions.v1 import GROUP as INTERFACE
from tests.service_runtime.extensions.making import SHOUT, project, tarred, zipped


@pytest.mark.parametrize(
    ("text", "kind", "address", "ref"),
    [
        ("garret-mood", "pip", "garret-mood", ""),
        ("mood[extra]>=1.2,<2", "pip", "mood[extra]>=1.2,<2", ""),
        ("https://github.com/o/mood", "git", "https://github.com/o/mood", ""),
        ("https://example.com/mood.git", "git", "https://example.com/mood.git", ""),
        ("git+https://example.com/o/mood@v1.2", "git", "https://example.com/o/mood", "v1.2"),
        ("https://github.com/o/mood/archive/main.zip", "archive", "https://github.com/o/mood/archive/main.zip", ""),
        ("https://example.com/mood.tar.gz?x=1", "archive", "https://example.com/mood.tar.gz?x=1", ""),
        ("sent:mood.zip", "sent", "mood.zip", ""),
    ],
)
def test_a_source_is_told_by_how_it_is_written(text: str, kind: str, address: str, ref: str) -> None:
    """Three kinds for a person, and one for the command line."""
    source = parse_source(text)
    assert (source.kind, source.address, source.ref) == (kind, address, ref)


@pytest.mark.parametrize(
    "text",
    [
        "--index-url=x", "-e .", "../mood", "/etc/passwd", "mood; rm -rf /", "mood @ https://e.com/x.whl", "$(id)",
        "git@github.com:o/r.git", "git+ssh://h/o/r", "file:///etc/passwd", "ftp://e.com/x.zip", "https://e.com/x",
        "https://e.com/x.whl", "https://u:p@e.com/x.zip", "https://e.com/a b.zip", "git+https://e.com/o/r@-x",
        "git+https://e.com/o/r@../x", "ext::sh -c id", "mood==1 --hash=x", "https://[::/x.zip", "",
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_its_field(text: str) -> None:
    """Nothing that a program could take for an option, and no way but https."""
    with pytest.raises(WrongSource) as caught:
        parse_source(text)
    assert caught.value.field == "source"


def test_a_mirror_and_a_hash_belong_to_their_sources() -> None:
    """An index for pip; before the address for others; a commit instead of a hash."""
    assert parse_source("https://github.com/o/r", "https://mirror.example/").url == (
        "https://mirror.example/https://github.com/o/r"
    )
    for text, mirror, sha256, field in (
        ("https://github.com/o/r", "", "0" * 64, "sha256"),
        ("mood", "", "00", "sha256"),
        ("mood", "mirror.example", "", "mirror"),
        ("sent:x.zip", "https://mirror.example", "", "mirror"),
    ):
        with pytest.raises(WrongSource) as caught:
            parse_source(text, mirror, sha256)
        assert caught.value.field == field


def zip_with(name: str, mode: int = 0) -> bytes:
    """Return a zip with one good member and one other."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("good.txt", "good")
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, "../../canary")
    return memory.getvalue()


def tar_with(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> bytes:
    """Return a tar.gz with one good member and one other."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        for member_name, member_kind in (("good.txt", tarfile.REGTYPE), (name, kind)):
            member = tarfile.TarInfo(member_name)
            member.type, member.linkname, member.size = member_kind, target, 4 if member_kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"text"))
    return memory.getvalue()


NAMES = (
    "../canary", "a/../../canary", "/canary", "a/..", "..", "a\\..\\canary", "C:canary", "a/\x01b", "a/b\u202ec",
    "a\n", "CON", "x" * 300, "/".join("a" * 60), "good.txt", "good.txt/below",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=[repr(name)[:24] for name in NAMES])
@pytest.mark.parametrize("make", [zip_with, tar_with], ids=["zip", "tar"])
def test_no_member_leaves_the_folder(tmp_path: Path, make: Callable[[str], bytes], name: str) -> None:
    """Nor is there twice, nor has a name that some system reads as another."""
    inside = tmp_path / "deep" / "inside"
    inside.mkdir(parents=True)
    archive = tmp_path / "archive"
    archive.write_bytes(make(name))
    with pytest.raises(BadArchive):
        unpack(archive, inside / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "deep"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["inside"]
    assert [path.name for path in inside.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "content",
    [
        zip_with("link", 0o120777),
        zip_with("pipe", 0o010644),
        tar_with("link", tarfile.SYMTYPE, "/etc/passwd"),
        tar_with("hard", tarfile.LNKTYPE, "good.txt"),
        tar_with("device", tarfile.CHRTYPE),
        tar_with("fifo", tarfile.FIFOTYPE),
        b"\x1f\x8bnot a tar",
        b"PK\x03\x04not a zip",
        b"<!doctype html>",
        b"",
    ],
)
def test_links_devices_and_nonsense_are_refused(tmp_path: Path, content: bytes) -> None:
    """Files and folders, and nothing else."""
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(BadArchive):
        unpack(tmp_path / "archive", tmp_path / "out")
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_an_archive_that_grows_without_end_is_refused(tmp_path: Path) -> None:
    """A megabyte that becomes a gigabyte."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb", "w") as file:
        for _ in range(600):
            file.write(bytes(1 << 20))
    (tmp_path / "archive").write_bytes(memory.getvalue())
    with pytest.raises(BadArchive, match="larger than 512 MiB"):
        unpack(tmp_path / "archive", tmp_path / "out")


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("top", ["", "mood-main/", "./"])
def test_the_project_is_found_with_or_without_a_folder_around_it(
    tmp_path: Path, pack: Callable[..., bytes], top: str
) -> None:
    """As code hosts pack it, and as a person does."""
    (tmp_path / "archive").write_bytes(pack(project("mood", SHOUT, "1.2"), top))
    unpack(tmp_path / "archive", tmp_path / "out")
    found = read_project(project_folder(tmp_path / "out"))
    assert (found.name, found.version, found.entry_points, found.path) == ("mood", "1.2", {"main": "mood"}, "src")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no \\[project\\] with a name"),
        ("[project", "cannot be read"),
        ('[project]\nname = "../../x"\n[project.entry-points."garret.extensions.v1"]\nm = "mood"\n', "its name"),
        ('[project]\nname = "mood"\n', "no entry point in the group"),
        ('[project]\nname = "m"\n[project.entry-points."garret.extensions.v9"]\nm = "mood"\n', "made for .*v9"),
        ('[project]\nname = "m"\n[project.entry-points."garret.extensions.v1"]\nm = "os;x"\n', "not of the form"),
        ('[project]\nname = "m"\n[project.entry-points."garret.extensions.v1"]\nm = "none"\n', "name none, which"),
        (
            '[project]\nname = "m"\ndependencies = "x"\n[project.entry-points."garret.extensions.v1"]\nm = "mood"\n',
            "list",
        ),
    ],
)
def test_what_is_no_extension_says_why(tmp_path: Path, text: str, reason: str) -> None:
    """Before anything of it is run."""
    (tmp_path / "mood.py").touch()
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(NotAnExtension, match=reason):
        read_project(tmp_path)


def test_the_group_is_the_interfaces_own() -> None:
    """One name, kept in two places, because one of them loads pluggy."""
    assert GROUP == INTERFACE
