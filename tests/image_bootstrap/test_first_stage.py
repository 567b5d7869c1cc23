"""The first stage's parts: what it unpacks and refuses, whom it signals, and that it needs nothing but Python 3.9."""

from __future__ import annotations

import ast
import io
import json
import sys
import tarfile
from pathlib import Path

import pytest

import garret.image_bootstrap
from garret.image_bootstrap import first_stage
from garret.image_bootstrap.first_stage import Journal, StepFailed, StepSkipped, send_signal, signal_request, unpack
from tests.image_bootstrap.machine import Stack

ROOM = Path(garret.image_bootstrap.__file__).parent
OPERATOR_SIDE = {"user_data.py", "bundle.py"}
SHARED = tuple(
    f"garret.service_runtime.{name}"
    for name in ("settings", "passwords", "known_models", "model_sources", "sdxl_files", "metadata", "acs3")
)
NODE_SIDE = sorted(path for path in ROOM.rglob("*.py") if path.name not in OPERATOR_SIDE)


@pytest.mark.parametrize("path", NODE_SIDE, ids=lambda path: path.name)
def test_what_runs_on_a_node_parses_under_python_3_9(path: Path) -> None:
    """The image's own interpreter may be that old."""
    ast.parse(path.read_text("utf-8"), feature_version=(3, 9))


def imports_of(path: Path) -> set[str]:
    """The modules a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", NODE_SIDE, ids=lambda path: path.name)
def test_what_runs_on_a_node_uses_the_standard_library_only(path: Path) -> None:
    """Nothing is installed yet when it runs; of garret only this room, and of the service what needs no more itself."""
    foreign = {name for name in imports_of(path) if name.split(".")[0] not in sys.stdlib_module_names}
    assert [name for name in sorted(foreign) if not name.startswith(("garret.image_bootstrap", *SHARED))] == []


@pytest.mark.parametrize("name", SHARED)
def test_what_the_steps_take_of_the_service_is_as_plain(name: str) -> None:
    """It is read by the same old interpreter, before anything is installed."""
    path = ROOM.parent / f"{name.removeprefix('garret.').replace('.', '/')}.py"
    ast.parse(path.read_text("utf-8"), feature_version=(3, 9))
    foreign = {one for one in imports_of(path) if one.split(".")[0] not in sys.stdlib_module_names}
    assert foreign <= set(SHARED)


def test_the_first_stage_stands_alone() -> None:
    """It travels without the rest of garret."""
    assert not any(name.startswith("garret") for name in imports_of(ROOM / "first_stage.py"))


def archive(path: Path, *members: tarfile.TarInfo, content: bytes = b"x") -> Path:
    """A tar.xz with these members; regular files get the content."""
    with tarfile.open(path, "w:xz") as tar:
        for member in members:
            if member.isreg():
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """One entry of an archive."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside"),
        member("/etc/passwd"),
        member("a/../../outside"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("hard", tarfile.LNKTYPE, "good"),
        member("fifo", tarfile.FIFOTYPE),
        member("device", tarfile.CHRTYPE),
    ],
    ids=lambda info: info.name,
)
def test_an_archive_with_anything_but_plain_files_below_it_is_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    """Nothing is written outside, and the folder does not appear."""
    packed = archive(tmp_path / "a.tar.xz", member("good"), bad)
    with pytest.raises(StepFailed, match="not a plain file below it"):
        unpack(packed, tmp_path / "runtime" / "abc")
    assert not (tmp_path / "runtime" / "abc").exists()
    assert not (tmp_path / "outside").exists()


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    """Ten kilobytes of xz can hold gigabytes."""
    packed = archive(tmp_path / "a.tar.xz", member("big"), content=b"\0" * (first_stage.UNPACKED_LIMIT + 1))
    with pytest.raises(StepFailed, match="unpacks to more than"):
        unpack(packed, tmp_path / "runtime")


def test_a_half_unpacked_runtime_is_unpacked_again(tmp_path: Path) -> None:
    """What a power cut left behind does not count."""
    packed = archive(tmp_path / "a.tar.xz", member("deep/good"), content=b"whole")
    (tmp_path / "runtime/deep").mkdir(parents=True)
    (tmp_path / "runtime/deep/good").write_bytes(b"ha")
    (tmp_path / "runtime.new").mkdir()
    unpack(packed, tmp_path / "runtime")
    assert (tmp_path / "runtime/deep/good").read_bytes() == b"whole"
    assert not (tmp_path / "runtime.new").exists()


def test_a_signal_request_keeps_the_commands_headers_and_address() -> None:
    """The form that the vendor documents."""
    request = signal_request(
        "curl -H 'Content-Type: application/json' -H 'Accept: application/json' -H 'x-acs-region-id: cn-hangzhou' "
        "-X POST 'http://100.100.100.110/waitcondition?stackname=a&stackid=b&resource=Ready&expire=1&signature=c%3D'",
        b"{}",
    )
    assert request.full_url.endswith("&expire=1&signature=c%3D")
    assert (request.get_method(), request.data) == ("POST", b"{}")
    assert request.headers == {
        "Content-type": "application/json",
        "Accept": "application/json",
        "X-acs-region-id": "cn-hangzhou",
    }


@pytest.mark.parametrize(
    "command", ["", "wget http://a/", "curl -X POST", "curl file:///etc/passwd", "@@GARRET_SIGNAL@@", "curl 'http://a"]
)
def test_what_is_no_curl_command_is_refused(command: str) -> None:
    """A placeholder that nobody filled in is not an address."""
    with pytest.raises(ValueError):
        signal_request(command, b"")


def node_root(root: Path, command: str) -> Path:
    """A root with a signal command."""
    (root / "var/lib/garret").mkdir(parents=True)
    (root / "var/lib/garret/signal").write_text(command)
    return root


def test_a_signal_is_sent_again_until_somebody_listens(tmp_path: Path, stack: Stack) -> None:
    """A refused connection is no reason to give up."""
    root = node_root(tmp_path, stack.command.replace("127.0.0.1:", "127.0.0.1:1", 1)[:-1])
    journal = Journal(root)
    assert not send_signal(root, journal, "FAILURE", "x", pauses=(0.01, 0.01))
    (root / "var/lib/garret/signal").write_text(stack.command)
    assert send_signal(root, journal, "FAILURE", "why", pauses=())
    assert [(heard["status"], heard["reason"], heard["id"]) for heard in stack.heard] == [("FAILURE", "why", "node")]


def test_the_signed_address_is_not_in_journal_or_log(tmp_path: Path, stack: Stack) -> None:
    """Whoever has it can speak for the node, and journals are shown to people."""
    root = node_root(tmp_path, "curl -X POST 'http://127.0.0.1:9/waitcondition?signature=verysecret'")
    send_signal(root, Journal(root), "SUCCESS", "", pauses=())
    kept = Journal(root)
    assert "was not delivered" in kept.path.read_text()
    assert "verysecret" not in kept.path.read_text() + kept.log_path.read_text()


SECRETS = {
    "password's hash": "scrypt$16384$8$5$c2FsdHNhbHQ$ZGlnZXN0-ZGlnZXN0_x",
    "token's hash": "sha256$" + "0a" * 32,
    "signed address": "https://ros.example.com/waitcondition?stackname=a&signature=pY3%2Fq&expire=1",
    "login in an address": "http://robot:hunter2@pypi.example.com/simple",
    "header": "Authorization: Bearer hf_abcdefgh",
    "node's token": "gnt_abc-DEF_123",
}
OPENERS = ("c2FsdHNhbHQ", "ZGlnZXN0", "0a0a", "pY3", "expire", "hunter2", "hf_abc", "abc-DEF")


def test_what_opens_something_is_in_neither_journal_nor_log(tmp_path: Path) -> None:
    """Whatever a program prints or an error says; the rest of the line stays to be read."""
    journal = Journal(tmp_path)
    for name, secret in SECRETS.items():
        journal.log(f"the {name} is '{secret}' as printed")
        journal.write("ensure_x", "failed", reason=f"the {name}: {secret}")
    kept = journal.path.read_text() + journal.log_path.read_text() + journal.tail(10_000)
    assert not [opener for opener in OPENERS if opener in kept]
    assert "http://***@pypi.example.com/simple" in kept
    assert "https://ros.example.com/waitcondition?***' as printed" in kept


def test_plain_lines_stay_as_they_are(tmp_path: Path) -> None:
    """Question marks, options and hashes of files are no secrets."""
    journal = Journal(tmp_path)
    plain = "pip download --dest=/x really? yes=no sha256=0a0a0a sha256:0b0b http://mirror/simple/ a@b.c"
    journal.log(plain)
    assert plain in journal.log_path.read_text()


def test_a_node_without_a_signal_command_says_so_and_goes_on(tmp_path: Path) -> None:
    """For example a template of somebody's own."""
    assert not send_signal(tmp_path, Journal(tmp_path), "SUCCESS", "")
    assert "not a curl command" in Journal(tmp_path).path.read_text()


def test_a_journal_line_has_time_step_state_seconds_and_reason(tmp_path: Path) -> None:
    """The operator's side reads exactly these."""
    journal = Journal(tmp_path)

    def skip() -> None:
        raise StepSkipped("not here")

    journal.run("ensure_x", skip)
    first, last = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert (first["step"], first["state"], first["reason"]) == ("ensure_x", "running", "")
    assert (last["step"], last["state"], last["reason"]) == ("ensure_x", "skipped", "not here")
    assert set(first) == {"at", "step", "state", "seconds", "reason"}
    assert first["at"].endswith("+00:00")


def test_an_unexpected_exception_is_a_failed_step_with_its_traceback_in_the_log(tmp_path: Path) -> None:
    """A fault of ours is told like any other, and can be found."""
    journal = Journal(tmp_path)

    def stumble() -> None:
        raise KeyError("gone")

    with pytest.raises(StepFailed, match="ensure_x: KeyError: 'gone'"):
        journal.run("ensure_x", stumble)
    assert 'raise KeyError("gone")' in journal.tail(2000)
