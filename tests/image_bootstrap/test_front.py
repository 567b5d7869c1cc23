"""The front as nginx really runs it: TLS, limits, true addresses, streams, and the page of the bootstrap."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from garret.image_bootstrap.nginx import boot_page, content_security_policy, front_config
from garret.service_runtime.passwords import hash_password, hash_token
from garret.service_runtime.settings import (
    CHUNK_BYTES,
    MAXIMUM_BODY_BYTES,
    MAXIMUM_LOGIN_BYTES,
    MAXIMUM_PICTURE_BODY_BYTES,
)
from tests.image_bootstrap.front import NGINX, Echo, Running, echo, front_in, needs_nginx, runnable, running_front
from tests.image_bootstrap.machine import free_port
from tests.service_runtime.conftest import LOGIN, PASSWORD, TOKEN, basic
from tests.service_runtime.living import fake_settings, serving

BOOTING = {"status": "starting", "step": "ensure_python", "state": "running", "steps_done": 8, "steps_total": 18}

pytestmark = needs_nginx


@pytest.fixture(scope="module")
def service() -> Iterator[Echo]:
    """What is behind the front."""
    with echo() as server:
        yield server


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, service: Echo) -> Iterator[Running]:
    """One nginx for all tests that leave it as it is."""
    with running_front(tmp_path_factory.mktemp("front"), service.server_port) as running:
        yield running


def shake_hands(front: Running, *options: str) -> int:
    """Say whether openssl's client gets through: 0 when it does."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{front.port}", *options]
    return subprocess.run(command, input=b"", capture_output=True, check=False, timeout=20).returncode


@pytest.mark.parametrize(
    ("options", "through"),
    [
        (["-tls1_3"], True),
        (["-tls1_2"], True),
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
        (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], False),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], False),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], True),
    ],
)
def test_only_tls_of_today_gets_through(front: Running, options: list[str], through: bool) -> None:
    """1.2 with forward secrecy and authenticated ciphers, and 1.3."""
    assert (shake_hands(front, *options) == 0) is through


def test_the_certificate_shown_is_the_one_that_is_reported(front: Running) -> None:
    """Its digest is what the operator pins."""
    pem = Path(front.front.certificate).read_text()
    connection = front.connect()
    connection.connect()
    assert isinstance(connection.sock, ssl.SSLSocket)
    shown = connection.sock.getpeercert(binary_form=True) or b""
    connection.close()
    assert hashlib.sha256(shown).digest() == hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()


def test_nothing_is_told_about_the_server(front: Running) -> None:
    """No version; and no HSTS for a certificate that people must be able to pass by hand."""
    headers = front.call("GET", "/x").headers
    assert headers["server"] == "nginx"
    assert "strict-transport-security" not in headers


def test_strict_transport_is_asked_for_where_the_name_is_vouched_for(tmp_path: Path) -> None:
    """On every answer, also on those of the front itself."""
    with running_front(tmp_path, free_port(), strict_transport=True) as running:
        for path in ("/", "/healthz", "/x"):
            assert running.call("GET", path).headers["strict-transport-security"] == "max-age=31536000"


def test_a_body_is_as_large_as_the_service_takes_and_no_larger(front: Running) -> None:
    """The same limit, and the refusal in the service's own form; also when the length is not announced."""
    assert front.call("POST", "/x", b"a" * MAXIMUM_BODY_BYTES).json["bytes"] == MAXIMUM_BODY_BYTES
    refused = front.call("POST", "/x", b"a" * (MAXIMUM_BODY_BYTES + 1))
    assert (refused.status, refused.json["error"]) == (413, "TooLarge")
    connection = front.connect()
    connection.request("POST", "/x", iter([b"a" * 600_000] * 2), encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    "path", ["/sdapi/v1/img2img", "/v1/jobs", "/invocations", "/endpoints/a/invocations", "/predictions"]
)
def test_requests_that_bring_pictures_are_larger(front: Running, path: str) -> None:
    """As large as the service takes any of them, and refused in the same form."""
    assert front.call("POST", path, b"a" * MAXIMUM_PICTURE_BODY_BYTES).json["bytes"] == MAXIMUM_PICTURE_BODY_BYTES
    refused = front.call("POST", path, b"a" * (MAXIMUM_PICTURE_BODY_BYTES + 1))
    assert (refused.status, refused.json["error"]) == (413, "TooLarge")


def test_chunks_of_an_upload_are_larger_and_have_a_limit_too(front: Running) -> None:
    """As large as the service takes them there, and nowhere else."""
    assert front.call("POST", "/v1/uploads", b"announced").json["bytes"] == 9, (
        "and no redirect, which no client follows"
    )
    assert front.call("POST", "/v1/uploads/x", b"a" * CHUNK_BYTES).json["bytes"] == CHUNK_BYTES
    refused = front.call("POST", "/v1/uploads/x", b"a" * (CHUNK_BYTES + 1))
    assert (refused.status, refused.json["error"]) == (413, "TooLarge")


def test_a_head_that_is_too_large_is_refused(front: Running) -> None:
    """16 KB in all, as the service itself would have it."""
    assert front.call("GET", "/x", A="a" * 7000).status == 200
    assert front.call("GET", "/x", A="a" * 9000).status == 400
    assert front.call("GET", "/x", A="a" * 7000, B="b" * 7000, C="c" * 7000).status == 400


def test_what_clients_claim_of_themselves_is_overwritten(front: Running) -> None:
    """The service hears the true address, scheme and name only, each once."""
    claims = {
        "X_Forwarded_For": "1.2.3.4",
        "X_Forwarded_Proto": "http",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Port": "1",
        "X_Forwarded_Prefix": "/evil",
        "X_Forwarded_Server": "evil",
        "X_Real_IP": "1.2.3.4",
        "Forwarded": "for=1.2.3.4",
        "Proxy": "http://evil.example",
    }
    heard = front.call("GET", "/x", source="127.0.0.7", **claims).json["headers"]
    about = {name.lower(): value for name, value in heard}
    assert len(about) == len(heard)
    assert (about["x-forwarded-for"], about["x-real-ip"]) == ("127.0.0.7", "127.0.0.7")
    assert (about["x-forwarded-proto"], about["x-forwarded-port"]) == ("https", str(front.port))
    assert about["x-forwarded-host"] == about["host"] == f"127.0.0.1:{front.port}"
    assert not {"forwarded", "proxy", "x-forwarded-prefix", "x-forwarded-server"} & set(about)
    assert "evil" not in json.dumps(heard)


def test_events_arrive_when_they_are_sent(front: Running, service: Echo) -> None:
    """The first is there while the service still has the second."""
    service.go.clear()
    connection = front.connect()
    connection.request("GET", "/stream")
    answer = connection.getresponse()
    assert answer.readline() == b"data: one\n"
    service.go.set()
    assert answer.read() == b"\ndata: two\n\n"
    connection.close()


def test_a_websocket_passes(front: Running) -> None:
    """The wish to change protocols goes through, and then bytes in both directions."""
    connection = front.connect()
    connection.connect()
    key = base64.b64encode(b"0123456789abcdef").decode()
    wish = ["GET /socket HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}"]
    connection.sock.sendall("\r\n".join([*wish, "", ""]).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.sock.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    for text in (b"abc", b"xyz"):
        connection.sock.sendall(text)
        assert connection.sock.recv(10) == text[::-1]
    connection.close()


def test_somebody_who_types_http_is_led_to_https(front: Running) -> None:
    """Before the right port; nothing of the service is shown."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=10)
    connection.request("GET", "/a?b=c")
    answer = connection.getresponse()
    assert answer.status == 301
    assert answer.headers["Location"] == f"https://127.0.0.1:{front.port}/a?b=c"
    connection.close()


def test_what_is_in_force_is_told_to_this_machine_only(front: Running) -> None:
    """To a caller from the address it calls, as only the node itself can be."""
    answer = front.call("GET", "/-/applied")
    assert (answer.status, answer.body) == (200, b"none")
    assert front.call("GET", "/-/applied", source="127.0.0.5").status == 404


def test_a_refusal_of_the_service_itself_passes_as_it_is(front: Running) -> None:
    """A full queue is no starting node."""
    answer = front.call("GET", "/busy", Accept="text/html")
    assert (answer.status, answer.json) == (503, {"errors": "of the service itself"})


def test_a_single_address_has_a_limited_number_of_requests(tmp_path: Path, service: Echo) -> None:
    """Past it, it is told so in the service's form; another address is not concerned."""
    with running_front(tmp_path, service.server_port) as running:
        connection = running.connect("127.0.0.9")
        statuses = []
        for _ in range(1000):
            connection.request("GET", "/x")
            answer = connection.getresponse()
            body = answer.read()
            statuses.append(answer.status)
            if answer.status == 429:
                break
        connection.close()
        assert statuses[-1] == 429
        assert len(statuses) > 200
        assert json.loads(body)["error"] == "Busy"
        assert answer.headers["Retry-After"] == "5"
        assert running.call("GET", "/x").status == 200


def test_the_pages_files_come_many_at_a_time(front: Running) -> None:
    """A page of a hundred files opened again and again is no attack; and a browser has them over one connection."""
    connection = front.connect("127.0.0.10")
    statuses = set()
    for _ in range(400):
        connection.request("GET", "/ui/assets/x.js")
        answer = connection.getresponse()
        answer.read()
        statuses.add(answer.status)
    connection.close()
    assert 429 not in statuses
    said = ssl.create_default_context()
    said.check_hostname, said.verify_mode = False, ssl.CERT_NONE
    said.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", front.port), timeout=10) as plain, said.wrap_socket(plain) as secure:
        assert secure.selected_alpn_protocol() == "h2"


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A front with a real service behind it."""
    folder = tmp_path_factory.mktemp("behind")
    settings = fake_settings(
        folder, password_hash=hash_password(PASSWORD), token_hashes=(hash_token(TOKEN),), trusted_proxy=True
    )
    with serving(settings) as service, running_front(folder / "front", service.port) as front:
        yield front


def test_guessing_a_password_is_slowed_down_for_each_address(behind: Running) -> None:
    """By the true address: naming others does not help, and others are not concerned; the page counts as well."""
    statuses = []
    for number in range(12):
        headers = {"Authorization": basic(LOGIN, f"guess {number}"), "X_Forwarded_For": f"9.9.9.{number}"}
        statuses.append(behind.call("GET", "/v1/jobs", source="127.0.0.5", **headers).status)
    assert statuses == [401] * 10 + [429] * 2
    refused = behind.call("GET", "/v1/jobs", source="127.0.0.5", Authorization=basic(LOGIN, "one more"))
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    for header in (basic(LOGIN, PASSWORD), f"Bearer {TOKEN}"):
        assert behind.call("GET", "/v1/jobs", source="127.0.0.6", Authorization=header).status == 200
    own = f"https://127.0.0.1:{behind.port}"
    opened = behind.call("GET", "/", source="127.0.0.6", Authorization=basic(LOGIN, PASSWORD), Origin=own)
    assert opened.status == 200
    foreign = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://x.y"}
    assert behind.call("GET", "/", source="127.0.0.6", **foreign).status == 403


def test_a_login_on_the_page_goes_through_the_front(behind: Running) -> None:
    """By TLS the cookie is one that no other host can plant, and http:// in Origin is somebody else's."""
    form, own = f"login={LOGIN}&password={PASSWORD}".encode(), f"https://127.0.0.1:{behind.port}"
    shown = behind.call("GET", "/", Accept="text/html", source="127.0.0.7")
    assert (shown.status, shown.headers["location"]) == (303, "/login")
    assert behind.call("POST", "/login", form, Origin=own.replace("https", "http")).status == 403
    entered = behind.call("POST", "/login", form, Origin=own)
    assert (entered.status, entered.headers["location"]) == (303, "/")
    name, _, rest = entered.headers["set-cookie"].partition("=")
    assert name == "__Host-garret_session"
    assert rest.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
    cookie = f"{name}={rest.partition(';')[0]}"
    assert behind.call("POST", "/machine/page", b"{}", Cookie=cookie, Origin=own).status == 200
    assert behind.call("GET", "/v1/jobs", Cookie=cookie.removeprefix("__Host-")).status == 401


def test_forms_of_the_login_page_are_few_and_short(front: Running) -> None:
    """Whoever sends more is told so on a page; the page itself and other addresses are not concerned."""
    assert front.call("POST", "/login", b"a" * (MAXIMUM_LOGIN_BYTES + 1)).status == 413
    statuses = []
    while 429 not in statuses and len(statuses) < 100:
        answer = front.call("POST", "/login", b"a", source="127.0.0.8")
        statuses.append(answer.status)
    assert set(statuses[:20]) == {200}
    assert (statuses[-1], answer.headers["content-type"]) == (429, "text/html; charset=utf-8")
    assert "重新登录" in answer.body.decode()
    assert front.call("GET", "/login", source="127.0.0.8").status == 200
    assert front.call("POST", "/login", b"a").status == 200


def test_while_the_service_is_not_there_the_front_says_how_far_the_node_is(tmp_path: Path) -> None:
    """People get a page, programs JSON with the same facts; the service is found without a word to nginx."""
    port = free_port()
    with running_front(tmp_path, port) as front:
        (front.www / "boot.json").write_text(json.dumps(BOOTING))
        for path, accept in (("/", ""), ("/", "*/*"), ("/docs", "text/html,*/*;q=0.8")):
            page = front.call("GET", path, Accept=accept)
            assert (page.status, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
            assert page.body.decode() == boot_page()
            assert page.headers["retry-after"] == "5"
            assert page.headers["content-security-policy"] == content_security_policy(boot_page())
        for method, path in (
            ("GET", "/sdapi/v1/options"),
            ("POST", "/sdapi/v1/txt2img"),
            ("GET", "/healthz"),
            ("GET", "/readyz"),
            ("DELETE", "/v1/jobs/a"),
        ):
            answer = front.call(method, path, b"{}" if method == "POST" else None)
            assert (answer.status, answer.json) == (503, BOOTING), path
            assert (answer.headers["retry-after"], answer.headers["content-type"]) == ("5", "application/json")
        facts = front.call("GET", "/boot.json")
        assert (facts.status, facts.json) == (200, BOOTING)
        for path in ("/-/starting.html", "/-/starting.json", "/index.html"):
            assert front.call("GET", path).body != boot_page().encode()
        pid = (tmp_path / "nginx.pid").read_text()
        with echo(port) as service:
            assert front.call("GET", "/").json["from"] == "/"
            for path in ("/healthz", "/readyz"):
                assert front.call("GET", path).json == {"status": "ok"}
            service.ready.clear()
            assert front.call("GET", "/").body.decode() == boot_page()
            assert front.call("GET", "/boot.json").json == BOOTING
            assert front.call("GET", "/readyz").json == {"status": "starting"}
            assert front.call("GET", "/healthz").json == {"status": "ok"}
        assert front.call("GET", "/").status == 503
        assert (tmp_path / "nginx.pid").read_text() == pid


def test_without_any_facts_the_front_still_answers(tmp_path: Path) -> None:
    """As between its start and the journal's first line."""
    with running_front(tmp_path, free_port()) as front:
        for path in ("/healthz", "/readyz", "/sdapi/v1/options"):
            answer = front.call("GET", path)
            assert (answer.status, answer.json, answer.headers["retry-after"]) == (503, {"status": "starting"}, "5")


def test_the_page_needs_no_other_file_and_speaks_both_languages() -> None:
    """Nothing from elsewhere; the same words and steps in English and Chinese."""
    page = boot_page()
    assert not re.findall(r"(?:src|href)=\"(?!data:,\")", page)
    assert not re.findall(r"https?://", page)
    tables = [re.findall(r"^\s+(\w+):|[,{] (\w+):", part) for part in re.split(r"const (?:EN|ZH) = ", page)[1:]]
    assert len(tables) == 2
    steps = [re.findall(r"(ensure_\w+|signal):", part) for part in re.split(r"const (?:EN|ZH) = ", page)[1:]]
    assert sorted(steps[0]) == sorted(steps[1])


def test_every_step_has_words_on_the_page() -> None:
    """A step that is added must be named for those who wait."""
    from garret.image_bootstrap.steps import STEPS

    named = set(re.findall(r"(ensure_\w+):", boot_page()))
    assert {"ensure_resume", "ensure_bundle", *(step.__name__ for step in STEPS)} <= named


@pytest.mark.parametrize("value", ["/etc/key;", "/etc/my key", "/etc/$key", "/etc/key\n}", ""])
def test_a_value_that_would_mean_something_else_is_refused(tmp_path: Path, value: str) -> None:
    """No place in the configuration takes a character with a meaning of its own."""
    front = front_in(tmp_path, 1)
    with pytest.raises(ValueError, match=r"key: .* cannot stand in nginx's configuration"):
        front_config(type(front)(**{**vars(front), "key": value}))


def test_nginx_finds_nothing_wrong_with_the_configuration(tmp_path: Path) -> None:
    """Not even a warning; a site of one's own beside it is read as well."""
    config = tmp_path / "nginx.conf"
    front = front_in(tmp_path, 1)
    config.write_text(runnable(front_config(front), tmp_path))
    assert not re.search(r"@[A-Z_]+@", config.read_text())
    check = [str(NGINX), "-t", "-q", "-c", str(config)]
    said = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    (Path(front.sites) / "own.conf").write_text("nonsense;\n")
    assert subprocess.run(check, capture_output=True, check=False).returncode == 1
