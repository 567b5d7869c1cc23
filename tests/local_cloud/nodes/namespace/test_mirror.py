"""The mirror answers as an index does: to real pip over real HTTP, in both formats, in parts; nobody can write."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from garret.local_cloud.nodes.namespace.mirror import JSON, Mirror, byte_range
from garret.local_cloud.nodes.namespace.wheelhouse import Wheelhouse
from tests.local_cloud.nodes.namespace.wheels import make_wheel, write_lock


@pytest.fixture
def house(tmp_path: Path) -> Wheelhouse:
    """Two wheels, one with a local version, as CPU builds have."""
    wheels = [
        make_wheel(tmp_path / "house", "First.Thing".lower().replace(".", "-")),
        make_wheel(tmp_path / "house", "torch", "2.13.0+cpu"),
    ]
    return Wheelhouse(tmp_path / "house", {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in wheels})


@pytest.fixture
def port(house: Wheelhouse) -> Iterator[int]:
    """A mirror of them on a socket that was opened elsewhere."""
    listening = socket.create_server(("127.0.0.1", 0))
    with Mirror(house) as mirror:
        mirror.serve(listening)
        yield listening.getsockname()[1]


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_pip_installs_a_lock_from_it(tmp_path: Path, house: Wheelhouse, port: int) -> None:
    """By name, with hashes, and nothing from anywhere else."""
    lock = write_lock(tmp_path / "all.lock", *(house.folder / name for name in house.files))
    command = [
        *(sys.executable, "-m", "pip", "install", "--isolated", "--quiet", "--require-hashes", "--no-deps"),
        *("--index-url", f"http://127.0.0.1:{port}/pypi/simple/", "--target", str(tmp_path / "there"), "-r", str(lock)),
    ]
    subprocess.run(command, check=True, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, timeout=60)
    assert (tmp_path / "there/torch.py").read_text() == "VERSION = '2.13.0+cpu'\n"
    assert (tmp_path / "there/first_thing.py").exists()


def test_the_index_is_there_in_both_formats(house: Wheelhouse, port: int) -> None:
    """HTML for whoever does not ask for JSON; names in any spelling."""
    status, headers, body = ask(port, "/pypi/simple/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b'href="first-thing/"' in body
    _, headers, body = ask(port, "/pypi/simple/", Accept=f"{JSON}, text/html;q=0.1")
    assert headers["Content-Type"] == JSON
    assert json.loads(body)["projects"] == [{"name": "first-thing"}, {"name": "torch"}]
    for path in ("/pypi/simple/first-thing/", "/pypi/simple/First_Thing/", "/pypi/simple/first.thing"):
        _, _, body = ask(port, path, Accept=JSON)
        (file,) = json.loads(body)["files"]
        assert file["hashes"] == {"sha256": house.files[file["filename"]]}
    _, _, body = ask(port, "/pypi/simple/torch/")
    assert (
        f"torch-2.13.0%2Bcpu-py3-none-any.whl#sha256={house.files['torch-2.13.0+cpu-py3-none-any.whl']}"
        in body.decode()
    )


def test_files_come_whole_or_in_part(house: Wheelhouse, port: int) -> None:
    """Byte ranges as pip's lazy reading and resumed downloads ask for them."""
    name = "torch-2.13.0+cpu-py3-none-any.whl"
    whole = (house.folder / name).read_bytes()
    path = "/pypi/files/torch-2.13.0%2Bcpu-py3-none-any.whl"
    status, headers, body = ask(port, path)
    assert (status, body, headers["ETag"]) == (200, whole, f'"{house.files[name]}"')
    status, headers, body = ask(port, path, Range="bytes=10-19")
    assert (status, body, headers["Content-Range"]) == (206, whole[10:20], f"bytes 10-19/{len(whole)}")
    assert ask(port, path, Range="bytes=-7")[2] == whole[-7:]
    assert ask(port, path, Range=f"bytes={len(whole)}-")[0] == 416
    status, headers, body = ask(port, path, "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(whole)), b"")


@pytest.mark.parametrize(
    "path",
    ["/", "/pypi", "/pypi/simple/none/", "/pypi/files/none.whl", "/pypi/files/../index.json", "/pypi/files/%2e%2e%2fx"],
)
def test_nothing_else_is_there(house: Wheelhouse, port: int, path: str) -> None:
    """Only pages of the index, and only the files that it lists."""
    (house.folder / "index.json").write_text("{}")
    assert ask(port, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nobody_writes(port: int, method: str) -> None:
    """Read-only."""
    assert ask(port, "/pypi/files/torch-2.13.0%2Bcpu-py3-none-any.whl", method)[0] == 501


def test_one_mirror_serves_many_networks_and_stops_one_by_one(house: Wheelhouse) -> None:
    """Each VPC has a socket of its own."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [one.getsockname()[1] for one in sockets]
    with Mirror(house) as mirror:
        stop_first, _ = mirror.serve(sockets[0]), mirror.serve(sockets[1])
        stop_first()
        stop_first()
        with pytest.raises(ConnectionRefusedError):
            ask(ports[0], "/pypi/simple/")
        assert ask(ports[1], "/pypi/simple/")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        ask(ports[1], "/pypi/simple/")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        *((one, None) for one in ("", "bytes=-", "lines=1-2", "bytes=0-1,4-5")),
        *((one, (0, 0)) for one in ("bytes=-0", "bytes=10-")),
        ("bytes=0-0", (0, 1)),
        ("bytes=5-", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=3-99", (3, 10)),
    ],
)
def test_ranges(header: str, expected: tuple[int, int] | None) -> None:
    """Of a file of ten bytes; what is no range of ours asks for the whole."""
    assert byte_range(header, 10) == expected
