"""Downloads against a server that breaks off, lies and changes: whole and right under the final name, or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from garret.service_runtime.downloads import download
from garret.service_runtime.fetching import Policy, VettedConnection
from garret.service_runtime.part_map import PartMap, boot_id
from garret.service_runtime.transfer import DownloadCancelled, DownloadError, Fetched, Surroundings, Wanted
from tests.service_runtime.living import certificate, safetensors_bytes
from tests.service_runtime.shelf import Reply, Request, Shelf, answer, cut, serving_shelf, whole

# Some 400 KB that differ everywhere, so that a byte in the wrong place is noticed.
CONTENT = safetensors_bytes({"a.weight": (400, 500)})[:-400_000] + random.Random(5).randbytes(400_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """A server with the file."""
    with serving_shelf(CONTENT) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for the file."""
    return tmp_path / "Stable-diffusion"


LOCAL = Surroundings(policy=Policy(allow_private=True, allow_plain_http=True, timeout_s=3), sleep=lambda _: None)


def surroundings(**changes: object) -> Surroundings:
    """Return surroundings that may reach loopback and never sleep."""
    return Surroundings(**{**vars(LOCAL), **changes})  # type: ignore[arg-type]


def fetch(shelf: Shelf, folder: Path, name: str = "model", sha256: str = "", token: str = "") -> Fetched:
    """Download the shelf's file."""
    return download(Wanted(shelf.url, folder, name, sha256, token), LOCAL)


def names(folder: Path) -> list[str]:
    """Return the folder's file names without the notes of where files came from."""
    return sorted(path.name for path in folder.glob("*") if not path.name.endswith(".source.json"))


def test_a_file_comes_whole(shelf: Shelf, folder: Path) -> None:
    """With its hash, and nothing beside it."""
    fetched = fetch(shelf, folder, sha256=DIGEST.upper())
    assert (fetched.path, fetched.sha256, fetched.size) == (folder / "model.safetensors", DIGEST, len(CONTENT))
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.bytes_fetched == len(CONTENT)
    assert names(folder) == ["model.safetensors"]
    assert shelf.asked[0]["accept-encoding"] == "identity"


def test_a_cut_connection_is_resumed_where_it_broke(shelf: Shelf, folder: Path) -> None:
    """No byte is fetched twice."""
    shelf.replies = [cut(100_000), cut(50_000), cut(1)]
    fetched = fetch(shelf, folder, sha256=DIGEST)
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.bytes_fetched == len(CONTENT)
    begins = [asked["range"].removeprefix("bytes=").partition("-")[0] for asked in shelf.asked]
    assert begins == ["0", "100000", "150000", "150001"]
    assert {asked.get("if-range") for asked in shelf.asked[1:]} == {'"one"'}


@pytest.mark.parametrize("same", [True, False])
def test_a_file_that_came_another_way_meanwhile_is_not_written_over(shelf: Shelf, folder: Path, same: bool) -> None:
    """An upload of the same name ends while the download is on its way."""
    brought = CONTENT if same else b"somebody else's"
    shelf.replies = [lambda request: (folder / "model.safetensors").write_bytes(brought) and whole(request)]
    if same:
        assert fetch(shelf, folder).sha256 == DIGEST
    else:
        with pytest.raises(DownloadError, match="another file is called model"):
            fetch(shelf, folder)
    assert (folder / "model.safetensors").read_bytes() == brought
    assert names(folder) == ["model.safetensors"]


def test_a_killed_download_goes_on_from_its_part_file(shelf: Shelf, folder: Path) -> None:
    """In another process, with the hash of what was there before."""
    shelf.replies = [cut(300_000), *[answer(503)] * 9]
    with pytest.raises(DownloadError, match="gave up after 5 tries") as caught:
        fetch(shelf, folder)
    assert "goes on from there" in caught.value.hint
    shelf.replies, shelf.asked = [], []
    fetched = fetch(shelf, folder, sha256=DIGEST)
    assert fetched.bytes_fetched == len(CONTENT) - 300_000
    assert fetched.path.read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_anew(shelf: Shelf, folder: Path) -> None:
    """Never the old beginning with the new end."""
    new = CONTENT[:-10] + b"0123456789"

    def change(request: Request) -> None:
        shelf.content, shelf.etag = new, '"two"'
        whole(request)

    shelf.replies = [cut(100_000), change]
    assert fetch(shelf, folder).path.read_bytes() == new


def test_a_server_that_ignores_the_range_is_understood(shelf: Shelf, folder: Path) -> None:
    """200 on a range request means: from the beginning. A second request is cheaper than the bytes once more."""
    ignores = answer(200, CONTENT, ETag='"one"')
    shelf.replies = [cut(100_000), ignores]
    fetched = fetch(shelf, folder, sha256=DIGEST)
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.bytes_fetched == len(CONTENT)
    shelf.replies = [cut(100_000), *[ignores] * 5]
    fetched = fetch(shelf, folder, name="never")
    assert fetched.path.read_bytes() == CONTENT
    assert len(CONTENT) < fetched.bytes_fetched <= len(CONTENT) + 100_000


@pytest.mark.parametrize(
    "lie",
    [
        answer(206, CONTENT[5:], ETag='"one"', Content_Range=f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}"),
        answer(206, b"x" * 10, ETag='"one"', Content_Range="bytes 100000-100009/100010"),
        answer(206, b"x" * 10, ETag='"one"'),
        answer(416, b"", Content_Range="bytes */5"),
        answer(206, CONTENT[100_000:] + b"x", Content_Range=f"bytes 100000-{len(CONTENT) - 1}/{len(CONTENT)}"),
        answer(206, CONTENT[100_000:], Content_Range="bytes 100000-99999/1"),
    ],
    ids=["other-place", "other-size", "no-place", "range-refused", "too-much", "backwards"],
)
def test_a_wrong_part_is_not_taken(shelf: Shelf, folder: Path, lie: Reply) -> None:
    """It is asked for again, and nothing that is there already."""
    shelf.replies = [cut(100_000), lie]
    fetched = fetch(shelf, folder, sha256=DIGEST)
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.bytes_fetched == len(CONTENT)


@pytest.mark.parametrize("place", ["bytes 5-{last}/{size}", "bytes 100000-{last}/9", "", "bytes */{size}"])
def test_a_server_that_always_lies_about_places_is_asked_for_the_whole(shelf: Shelf, folder: Path, place: str) -> None:
    """Its 206 are worth nothing."""
    size = len(CONTENT)
    lie = answer(206, CONTENT[5:], ETag='"one"', Content_Range=place.format(last=size - 1, size=size))

    def liar(request: Request) -> None:
        shelf.replies.insert(0, liar)
        (lie if "Range" in request.headers else whole)(request)

    shelf.replies = [cut(100_000), liar]
    assert fetch(shelf, folder, sha256=DIGEST).path.read_bytes() == CONTENT


def test_a_part_that_is_all_there_is_only_checked(shelf: Shelf, folder: Path) -> None:
    """The process was killed between the last byte and the rename."""
    shelf.replies = [cut(300_000), *[answer(503)] * 9]
    with pytest.raises(DownloadError):
        fetch(shelf, folder)
    (folder / ".model.safetensors.part").write_bytes(CONTENT)
    PartMap(folder / ".model.safetensors.part.map", boot_id(), [(0, len(CONTENT))]).close()
    shelf.replies, shelf.asked = [], []
    fetched = fetch(shelf, folder, sha256=DIGEST)
    assert fetched.bytes_fetched == 0
    assert shelf.asked == []
    assert fetched.path.read_bytes() == CONTENT


def test_a_server_without_versions_is_never_resumed(shelf: Shelf, folder: Path) -> None:
    """Without an ETag nobody knows whether the rest belongs to the beginning."""
    shelf.etag = ""
    shelf.replies = [cut(100_000)]
    assert fetch(shelf, folder).path.read_bytes() == CONTENT
    assert [asked.get("range", "").partition("-")[0] for asked in shelf.asked] == ["bytes=0", "", "bytes=0", ""][
        : len(shelf.asked)
    ]


def test_a_weak_version_does_not_vouch_for_bytes(shelf: Shelf, folder: Path) -> None:
    """RFC 9110: If-Range wants a strong validator."""
    shelf.etag = 'W/"one"'
    shelf.replies = [cut(100_000)]
    assert fetch(shelf, folder).path.read_bytes() == CONTENT
    assert [asked.get("range", "").partition("-")[0] for asked in shelf.asked] == ["bytes=0", "", "bytes=0", ""][
        : len(shelf.asked)
    ]


PAGE = b"<!doctype html><title>Please log in</title>"
REFUSED: dict[str, tuple[Reply, str]] = {
    "html-type": (answer(200, PAGE, Content_Type="text/html; charset=utf-8"), "HTML"),
    "html-body": (answer(200, PAGE, Content_Type="application/octet-stream"), "HTML"),
    "json": (answer(200, b'{"error": "early access"}'), "JSON"),
    # Announced as gigabytes: known for what they are by their first bytes, not after the last.
    "pickle": (answer(200, b"\x80\x02}q\x00X\x05\x00\x00\x00hello", Content_Length="5000000"), "pickle"),
    "zip": (answer(200, b"PK\x03\x04" + b"\0" * 60, Content_Length="5000000"), "zip"),
    "empty": (answer(200, b""), "0 bytes"),
    "short": (answer(200, CONTENT[:-1]), "not whole"),
    "junk": (answer(200, b"\xff" * 100), "no safetensors"),
    "login": (answer(401), "refuses access"),
    "gated": (answer(403), "refuses access"),
    "gone": (answer(404), "no such file"),
    "teapot": (answer(418), "status 418"),
    "later": (answer(429, b"", Retry_After="86400"), "86400 s"),
    "compressed": (answer(200, CONTENT, Content_Encoding="gzip"), "compresses"),
    "plain": (answer(302, b"", Location="ftp://127.0.0.1/x"), "https"),
}


@pytest.mark.parametrize(("reply", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_model_is_refused_and_leaves_nothing(shelf: Shelf, folder: Path, reply: Reply, reason: str) -> None:
    """With the reason, after one request."""
    shelf.replies = [reply] * 9
    with pytest.raises(DownloadError, match=reason):
        fetch(shelf, folder)
    assert names(folder) == []
    # A server may refuse the range and not the file.
    assert len(shelf.asked) == (2 if reason == "refuses access" and "range" not in shelf.asked[-1] else 1)


def test_the_wrong_hash_is_refused_and_leaves_nothing(shelf: Shelf, folder: Path) -> None:
    """Both hashes are shown."""
    with pytest.raises(DownloadError) as caught:
        fetch(shelf, folder, sha256="0" * 64)
    assert DIGEST in caught.value.message
    assert names(folder) == []


def test_a_disk_that_is_too_small_is_seen_before_the_first_byte(shelf: Shelf, folder: Path) -> None:
    """The free space is a seam."""
    small = surroundings(free_bytes=lambda _: (256 << 20) + len(CONTENT) - 1)
    with pytest.raises(DownloadError, match="needs 256 MiB"):
        download(Wanted(shelf.url, folder, "model"), small)
    assert names(folder) == []
    enough = surroundings(free_bytes=lambda _: (256 << 20) + len(CONTENT))
    assert download(Wanted(shelf.url, folder, "model"), enough).path.read_bytes() == CONTENT


def test_a_disk_that_fills_up_keeps_nothing(shelf: Shelf, folder: Path) -> None:
    """No half file that would keep the disk full."""

    def pwrite(file: int, data: memoryview, at: int) -> int:
        if at + len(data) > 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.pwrite(file, data, at)

    with pytest.raises(DownloadError, match="disk is full"):
        download(Wanted(shelf.url, folder, "model"), surroundings(pwrite=pwrite))
    assert names(folder) == []


def test_an_endless_reply_stops_at_the_disks_reserve(shelf: Shelf, folder: Path) -> None:
    """Without an announced length, room is looked at for each part."""
    shelf.replies = [answer(200, CONTENT, ETag='"one"', Content_Length="")]
    free = iter([1 << 40, 0])
    with pytest.raises(DownloadError, match="0 MiB free"):
        download(Wanted(shelf.url, folder, "model"), surroundings(free_bytes=lambda _: next(free)))
    assert names(folder) == []


def test_another_file_of_the_name_is_never_overwritten(shelf: Shelf, folder: Path) -> None:
    """The same one is not fetched again; by hash, or by where it came from."""
    fetch(shelf, folder)
    asked = len(shelf.asked)
    assert fetch(shelf, folder, sha256=DIGEST).bytes_fetched == 0
    assert len(shelf.asked) == asked
    assert fetch(shelf, folder).bytes_fetched == 0
    with pytest.raises(DownloadError, match="another file"):
        download(Wanted(shelf.url + "?version=2", folder, "model"), LOCAL)
    shelf.etag = '"two"'
    for sha256 in ("", "1" * 64):
        with pytest.raises(DownloadError, match="another file"):
            fetch(shelf, folder, sha256=sha256)
    assert (folder / "model.safetensors").read_bytes() == CONTENT
    shelf.etag = '"one"'
    (folder / "model.safetensors").write_bytes(CONTENT + b"!")
    with pytest.raises(DownloadError, match="another file"):
        fetch(shelf, folder)


def test_a_cancel_is_heard_and_leaves_nothing(shelf: Shelf, folder: Path) -> None:
    """The progress callback raises it."""

    def stop(done: int, total: int | None) -> None:
        raise DownloadCancelled

    with pytest.raises(DownloadCancelled):
        download(Wanted(shelf.url, folder, "model"), surroundings(progress=stop))
    assert names(folder) == []


def test_progress_counts_bytes_up_to_the_whole(shelf: Shelf, folder: Path) -> None:
    """Also over a resumption."""
    seen: list[tuple[int, int | None]] = []
    shelf.replies = [cut(100_000)]
    report = surroundings(progress=lambda done, total: seen.append((done, total)))
    download(Wanted(shelf.url, folder, "model"), report)
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        ('attachment; filename="fine model.safetensors"', "fine model.safetensors"),
        ("attachment; filename*=UTF-8''mod%C3%A8le.safetensors", "modèle.safetensors"),
        ("", "model.safetensors"),
        ("inline", "model.safetensors"),
    ],
)
def test_the_server_may_suggest_the_name(shelf: Shelf, folder: Path, disposition: str, expected: str) -> None:
    """Else it is the address's last part."""
    shelf.replies = [answer(200, CONTENT, Content_Disposition=disposition)] * 2
    assert fetch(shelf, folder, name="").path == folder / expected


@pytest.mark.parametrize(
    "disposition",
    [
        'attachment; filename="../../evil.safetensors"',
        'attachment; filename="/etc/cron.d/evil"',
        'attachment; filename="..\\\\evil.safetensors"',
        "attachment; filename*=UTF-8''..%2Fevil.safetensors",
        'attachment; filename=".hidden"',
        "attachment; filename*=UTF-8''a%00b",
    ],
)
def test_a_suggested_name_cannot_leave_the_folder(shelf: Shelf, folder: Path, disposition: str) -> None:
    """Refused, with the option to give one."""
    shelf.replies = [answer(200, CONTENT, Content_Disposition=disposition)] * 2
    with pytest.raises(DownloadError, match="file name") as caught:
        fetch(shelf, folder, name="")
    assert "--name" in caught.value.hint
    assert [path for path in folder.parent.rglob("*") if path.is_file()] == []


def test_a_private_address_is_refused_without_a_connection(shelf: Shelf, folder: Path) -> None:
    """However its name is spelt; the resolver is a seam."""
    public = Policy(
        allow_plain_http=True, timeout_s=3, resolver=lambda host, _port: [host] if host[0].isdigit() else ["127.0.0.1"]
    )
    for host in ("127.0.0.1", "localhost", "100.100.100.200", "10.1.2.3", "rebound.example"):
        url = f"http://{host}:{shelf.port}/files/model.safetensors"
        with pytest.raises(DownloadError, match="not a public address"):
            download(Wanted(url, folder, "model"), surroundings(policy=public))
    assert shelf.asked == []


def test_a_redirect_is_checked_like_the_address_itself(shelf: Shelf, folder: Path) -> None:
    """A public server must not lead to the metadata service."""
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if host == "public.example" else [host]

    # The shelf stands in for a public server, so its address counts as public here.
    shelf.replies = [answer(302, b"", Location="http://100.100.100.200/latest/meta-data/")]
    policy = Policy(
        allow_plain_http=True,
        timeout_s=3,
        resolver=resolver,
        public=lambda address: address == "127.0.0.1",
    )
    with pytest.raises(DownloadError, match=r"100\.100\.100\.200, which is not a public address"):
        download(Wanted(f"http://public.example:{shelf.port}/m", folder, "model"), surroundings(policy=policy))
    assert asked == ["public.example", "100.100.100.200"]


def test_a_token_stays_with_its_host(shelf: Shelf, folder: Path) -> None:
    """Not even the same machine under another port gets it."""
    with serving_shelf(CONTENT) as other:
        shelf.replies = [answer(302, b"", Location=other.url)]
        assert fetch(shelf, folder, token="secret").path.read_bytes() == CONTENT
        assert shelf.asked[0]["authorization"] == "Bearer secret"
        assert "authorization" not in other.asked[0]
    shelf.replies = [answer(302, b"", Location="/moved")]
    fetch(shelf, folder, name="second", token="secret")
    assert shelf.asked[-1]["authorization"] == "Bearer secret"


def test_https_checks_whom_it_speaks_to(folder: Path, tmp_path: Path) -> None:
    """The name must be the certificate's, and somebody trusted must have signed it; the Host header has no port 443."""
    file, key = certificate(tmp_path, "models.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)

    def around(trusted: Path | None) -> Surroundings:
        policy = Policy(
            resolver=lambda _host, _port: ["127.0.0.1"],
            public=lambda _: True,
            timeout_s=3,
            tls=lambda: ssl.create_default_context(cafile=trusted),
        )
        return surroundings(policy=policy)

    with serving_shelf(CONTENT, context) as shelf:
        for host, trusted in (("models.example", None), ("other.example", file)):
            with pytest.raises(DownloadError, match="certificate is not valid"):
                download(Wanted(f"https://{host}:{shelf.port}/m", folder, "model"), around(trusted))
        assert shelf.asked == []
        fetched = download(Wanted(f"https://models.example:{shelf.port}/m", folder, "model"), around(file))
        assert fetched.path.read_bytes() == CONTENT
        assert shelf.asked[0]["host"] == f"models.example:{shelf.port}"


@pytest.mark.parametrize(("tls", "port", "host"), [(True, 443, "h"), (True, 8443, "h:8443"), (False, 80, "h")])
def test_the_host_header_leaves_the_usual_port_out(tls: bool, port: int, host: str) -> None:
    """A presigned address is signed with the header that every other client sends."""
    connection = VettedConnection("h", port, ["127.0.0.1"], 1, ssl.create_default_context() if tls else None)
    connection.sock, server = socket.socketpair()
    with server, connection.sock:
        connection.request("GET", "/")
        assert f"\r\nHost: {host}\r\n".encode() in server.recv(4096)


def test_redirects_end(shelf: Shelf, folder: Path) -> None:
    """A circle is not followed for ever."""
    shelf.replies = [answer(302, b"", Location="/again")] * 20
    with pytest.raises(DownloadError, match="redirects"):
        fetch(shelf, folder)
    assert len(shelf.asked) == 6


@pytest.mark.parametrize(
    "url",
    [
        "",
        "model.safetensors",
        "file:///etc/passwd",
        "https:///x",
        "https://user:pw@host/x",
        "https://h/a b",
        "https://h:0/",
        "https://[::1",
        "https://h:99999/",
    ],
)
def test_an_address_that_is_none_is_refused(folder: Path, url: str) -> None:
    """Before anything is resolved."""

    def resolver(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host} was looked up")

    with pytest.raises(DownloadError):
        download(Wanted(url, folder, "model"), Surroundings(policy=Policy(resolver=resolver), sleep=lambda _: None))


def test_plain_http_wants_a_hash(folder: Path) -> None:
    """Anybody on the way could change the file."""
    with pytest.raises(DownloadError, match="plain http") as caught:
        download(Wanted("http://public.example/x", folder, "model"), Surroundings())
    assert "--sha256" in caught.value.hint


def test_a_part_that_says_of_no_version_is_not_put_to_one_that_has_one(shelf: Shelf, folder: Path) -> None:
    """A server that ignores If-Range and leaves the ETag out, as it may not: the file changed, and nothing tells."""
    other = CONTENT[:-400_000] + random.Random(6).randbytes(400_000)
    part = answer(206, other[100_000:], Content_Range=f"bytes 100000-{len(other) - 1}/{len(other)}")

    def change(request: Request) -> None:
        shelf.content, shelf.etag = other, '"two"'
        part(request)

    shelf.replies = [cut(100_000), change, part, part]
    assert fetch(shelf, folder).path.read_bytes() == other


def test_plain_http_gets_no_token(shelf: Shelf, folder: Path) -> None:
    """With a hash it may bring the file; whoever listens would have the token for good."""
    policy = Policy(allow_plain_http=True, timeout_s=3, public=lambda _address: True)
    with pytest.raises(DownloadError, match="read the token"):
        download(Wanted(shelf.url, folder, "model", DIGEST, "secret"), surroundings(policy=policy))
    assert shelf.asked == []
    assert download(Wanted(shelf.url, folder, "model", DIGEST), surroundings(policy=policy)).sha256 == DIGEST


def test_a_server_that_is_not_there_is_tried_a_few_times(folder: Path) -> None:
    """Five times with growing pauses, then the reason."""
    pauses: list[float] = []
    around = surroundings(sleep=pauses.append)
    with pytest.raises(DownloadError, match="refused"):
        download(Wanted("http://127.0.0.1:9/x", folder, "model"), around)
    assert sum(pauses) == 1.0 + 2.0 + 4.0 + 8.0


FAULTS: dict[str, Reply] = {
    "error": answer(500),
    "busy": answer(503, b"", Retry_After="1"),
    "ignores the range": answer(200, CONTENT, ETag='"one"'),
    "refuses the range": answer(416),
    "sends another part": answer(206, b"junk", ETag='"one"', Content_Range="bytes 0-3/4"),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.lists(some.sampled_from(list(FAULTS)) | some.integers(0, len(CONTENT)), max_size=8))
def test_no_sequence_of_faults_puts_wrong_bytes_in_place(
    shelf: Shelf, tmp_path_factory: pytest.TempPathFactory, faults: list[str | int]
) -> None:
    """Whole and right, or not there at all; a number is a connection cut after so many bytes."""
    folder = tmp_path_factory.mktemp("faults")
    shelf.replies = [cut(fault) if isinstance(fault, int) else FAULTS[fault] for fault in faults]
    for _ in range(len(faults) + 1):
        try:
            fetch(shelf, folder)
        except DownloadError:
            assert not (folder / "model.safetensors").exists()
        else:
            break
    assert (folder / "model.safetensors").read_bytes() == CONTENT
