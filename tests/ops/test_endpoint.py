"""What a node's service is asked, and what becomes of its answers."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from garret.errors import GarretError, NotReady, OperationError, UsageError
from garret.ops.authority import Authority
from garret.ops.client import Full
from garret.ops.endpoint import Endpoint

PICTURE = b"\x89PNG\r\n\x1a\n picture"
JOB = {
    "id": "1",
    "url": "/v1/jobs/1",
    "state": "Success",
    "ended_at": 1.0,
    "pictures": [{"url": "/v1/jobs/1/pictures/0"}],
}


@dataclass
class Seen:
    """What the server was asked."""

    path: str
    token: str
    body: Any


@dataclass
class Service:
    """A server on loopback that answers every request with one status and body."""

    url: str
    status: int = 200
    reply: bytes = json.dumps(JOB).encode()
    picture: bytes = PICTURE
    seen: list[Seen] = field(default_factory=list)

    def says(self, status: int, value: object) -> None:
        """Choose the answer."""
        self.status, self.reply = status, value if isinstance(value, bytes) else json.dumps(value).encode()


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Service]:
    """Run such a server, with TLS when there is a context."""
    held: list[Service] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._respond(None)

        def do_POST(self) -> None:
            self._respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _respond(self, body: Any) -> None:
            held[0].seen.append(Seen(self.path, self.headers.get("Authorization", ""), body))
            reply = held[0].picture if "/pictures/" in self.path else held[0].reply
            self.send_response(held[0].status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up in the handshake is what some of these tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if context:
        # The handshake belongs to the connection's own thread, so that one refusal does not stop the others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https"
    held.append(Service(f"{scheme}://127.0.0.1:{server.server_port}"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield held[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    """A service on loopback, without TLS."""
    with serving() as running:
        yield running


@dataclass(frozen=True)
class Certificate:
    """A certificate that a node made for itself."""

    file: Path
    key: Path

    @property
    def sha256(self) -> str:
        """Its digest, as the node reports it."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.file.read_text())).hexdigest()

    def context(self) -> ssl.SSLContext:
        """A server's side of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Certificate]:
    """Make certificates by name, as the node's bootstrap makes them."""
    folder = tmp_path_factory.mktemp("certificates")

    def make(name: str) -> Certificate:
        made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
        if not made.file.exists():
            kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-sha256", "-nodes", "-days", "2"]
            files = ["-keyout", str(made.key), "-out", str(made.file)]
            subprocess.run(
                ["openssl", "req", "-x509", *kind, "-subj", f"/CN=garret-{name}", *files],
                check=True,
                capture_output=True,
            )
        return made

    return make


def test_pictures_come_back_as_files(service: Service) -> None:
    """The request carries the token and the body, and then each of the job's pictures is fetched."""
    assert Endpoint(service.url, "secret").pictures({"prompt": "a circle"}) == [PICTURE]
    assert service.seen == [
        Seen("/v1/jobs", "Bearer secret", {"prompt": "a circle"}),
        Seen("/v1/jobs/1/pictures/0", "Bearer secret", None),
    ]


@pytest.mark.parametrize("reply", [{}, {"images": []}, [], "a job", {**JOB, "pictures": ["one"]}])
def test_an_answer_that_is_no_job_is_not_taken_for_one(service: Service, reply: object) -> None:
    """Nor is what is no picture ever handed on as one."""
    service.says(200, reply)
    with pytest.raises(OperationError, match="something that is not"):
        Endpoint(service.url, "secret").pictures({})
    service.says(200, JOB)
    service.picture = b"garret"
    with pytest.raises(OperationError, match="without a picture"):
        Endpoint(service.url, "secret").pictures({})


def test_health_needs_no_token_and_an_ok(service: Service) -> None:
    """Only a service that says ok is healthy; asking does not show the token."""
    endpoint = Endpoint(service.url, "secret")
    for status, reply, healthy in (
        (200, {"status": "ok"}, True),
        (200, {"status": "starting"}, False),
        (503, {}, False),
    ):
        service.says(status, reply)
        assert endpoint.healthy() is healthy
    service.says(200, b"<html>")
    assert endpoint.healthy() is False
    assert [(seen.path, seen.token) for seen in service.seen] == [("/healthz", "")] * 4


REFUSALS: list[tuple[int, object, type[GarretError], str]] = [
    (422, {"errors": "steps: is too high", "detail": [{"loc": ["body", "steps"], "msg": "x"}]}, UsageError, "steps"),
    (400, {"errors": "no model x", "detail": "no model x. Models are: demo"}, UsageError, "no model x"),
    (404, b"", UsageError, "404"),
    (401, {"errors": "who are you", "detail": ""}, OperationError, "token"),
    (429, {"errors": "the queue is full", "detail": ""}, Full, "queue is full"),
    (503, b"", NotReady, "503"),
    (
        503,
        {"status": "starting", "step": "ensure_python", "steps_done": 8, "steps_total": 18},
        NotReady,
        "being set up: ensure_python, 8 of 18 steps done",
    ),
    (503, {"status": "starting"}, NotReady, "the node is starting"),
    (503, {"status": "starting", "step": ""}, NotReady, "the node is starting"),
    (503, {"status": "failed", "step": "ensure_gpu"}, NotReady, "setting up the node failed at ensure_gpu"),
    (500, {"errors": "the model is broken", "detail": ""}, OperationError, "the model is broken"),
    (200, b"<html>", OperationError, "not JSON"),
]


@pytest.mark.parametrize(("status", "reply", "kind", "words"), REFUSALS)
def test_refusals_keep_the_services_own_words(
    service: Service, status: int, reply: object, kind: type[GarretError], words: str
) -> None:
    """The class of an answer says whether to mend the request, to wait, or to look at the node."""
    service.says(status, reply)
    with pytest.raises(GarretError, match=words) as raised:
        Endpoint(service.url, "secret").get("/sdapi/v1/sd-models")
    assert type(raised.value) is kind
    assert "secret" not in f"{raised.value.message} {raised.value.hint}"


def test_the_services_hint_becomes_the_hint(service: Service) -> None:
    """A service that says what to do instead is passed on."""
    service.says(400, {"errors": "no model 'x'", "detail": "no model 'x'. Models are: demo"})
    with pytest.raises(UsageError) as raised:
        Endpoint(service.url, "secret").get("/")
    assert (raised.value.message, raised.value.hint) == ("no model 'x'", "Models are: demo")


def test_nobody_there_is_not_ready() -> None:
    """A closed port is told as such, and is not healthy."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    endpoint = Endpoint(f"http://127.0.0.1:{port}", "secret")
    assert endpoint.healthy() is False
    with pytest.raises(NotReady, match="refused"):
        endpoint.get("/")


def test_silence_ends_in_time() -> None:
    """A service that takes the request and says nothing is given up after the time given."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        endpoint = Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}", "secret")
        with pytest.raises(NotReady, match=r"nothing came within 0\.2 s"):
            endpoint.get("/", timeout_s=0.2)
        assert endpoint.healthy(timeout_s=0.1) is False


def test_a_token_never_leaves_this_machine_in_the_clear() -> None:
    """http to another machine is refused before anything is sent."""
    with pytest.raises(OperationError, match="https"):
        Endpoint("http://203.0.113.7:7860", "secret").get("/")


def test_a_token_is_not_in_the_record_s_text() -> None:
    """A log that shows an endpoint shows no token."""
    assert "secret" not in repr(Endpoint("https://203.0.113.7", "secret"))


def test_the_pinned_certificate_is_enough(certificates: Callable[[str], Certificate]) -> None:
    """A certificate that nobody signed is taken when it is the pinned one, in either way of writing its digest."""
    node = certificates("node")
    with serving(node.context()) as service:
        assert Endpoint(service.url, "secret", node.sha256).pictures({}) == [PICTURE]
        with_colons = ":".join(node.sha256[at : at + 2] for at in range(0, 64, 2)).upper()
        assert Endpoint(service.url, "secret", with_colons).pictures({}) == [PICTURE]


def test_another_certificate_gets_nothing(certificates: Callable[[str], Certificate]) -> None:
    """Whoever shows another certificate sees no request, and health does not pass over it in silence."""
    with serving(certificates("stranger").context()) as service:
        endpoint = Endpoint(service.url, "secret", certificates("node").sha256)
        with pytest.raises(OperationError, match="another certificate") as raised:
            endpoint.pictures({})
        assert certificates("stranger").sha256 in raised.value.message
        with pytest.raises(OperationError, match="another certificate"):
            endpoint.healthy()
        assert service.seen == []


def test_without_a_pin_only_trusted_certificates_do(certificates: Callable[[str], Certificate]) -> None:
    """A self-signed certificate without a pin is refused before anything is sent."""
    with serving(certificates("node").context()) as service:
        with pytest.raises(OperationError, match="does not trust"):
            Endpoint(service.url, "secret").get("/")
        assert service.seen == []


def test_plain_http_on_the_tls_port_is_not_ready(service: Service) -> None:
    """A service that does not speak TLS yet is told apart from a wrong certificate."""
    with pytest.raises(NotReady, match="TLS"):
        Endpoint(service.url.replace("http:", "https:"), "secret", "0" * 64).get("/")


@dataclass(frozen=True)
class Signer:
    """An authority of the tests, as openssl makes one."""

    own: Certificate

    @property
    def pem(self) -> str:
        """What whoever trusts it has of it."""
        return self.own.file.read_text()

    def sign(self, name: str, names: str, *more: str) -> Certificate:
        """A certificate for these names (as in subjectAltName)."""
        folder = self.own.file.parent
        made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
        asked = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"]
        request = folder / f"{name}.csr"
        _openssl("req", *asked, "-keyout", made.key, "-out", request)
        about = folder / f"{name}.txt"
        about.write_text(f"subjectAltName={names}\n")
        by = ["-CA", self.own.file, "-CAkey", self.own.key, "-CAcreateserial", "-extfile", about]
        _openssl("x509", "-req", "-in", request, *by, "-out", made.file, *(more or ("-days", "2")))
        return made


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="session")
def signer(certificates: Callable[[str], Certificate]) -> Signer:
    """An authority that no machine trusts by itself."""
    return Signer(certificates("authority"))


def test_an_authority_that_was_asked_vouches_for_the_name_at_any_address(
    certificates: Callable[[str], Certificate], signer: Signer
) -> None:
    """The certificate changed since the node reported its own, and nothing else did."""
    before, vouched = certificates("before"), signer.sign("vouched", "DNS:pictures.example.com")
    with serving(vouched.context()) as service:
        asked = Authority("pictures.example.com", signer.pem)
        assert Endpoint(service.url, "secret", before.sha256, asked).pictures({}) == [PICTURE]


def test_an_authority_vouches_for_an_address(certificates: Callable[[str], Certificate], signer: Signer) -> None:
    """Without a name of its own, the service is known by where it is called."""
    before, vouched = certificates("before"), signer.sign("address", "IP:127.0.0.1")
    with serving(vouched.context()) as service:
        assert Endpoint(service.url, "secret", before.sha256, Authority("", signer.pem)).pictures({}) == [PICTURE]


def test_until_there_is_such_a_certificate_the_pinned_one_is_taken(
    certificates: Callable[[str], Certificate], signer: Signer
) -> None:
    """Issuing takes as long as the A record; and what has run out gives way to the node's own again."""
    own = certificates("node")
    with serving(own.context()) as service:
        asked = Authority("pictures.example.com", signer.pem)
        assert Endpoint(service.url, "secret", own.sha256, asked).pictures({}) == [PICTURE]


@pytest.mark.parametrize("case", ["another name", "another authority", "run out", "of itself", "nobody asked"])
def test_any_other_certificate_gets_nothing(
    case: str, certificates: Callable[[str], Certificate], signer: Signer
) -> None:
    """The authority's word counts for this name, now, and only where it was asked for."""
    name = "pictures.example.com"
    shown, asked = signer.sign("good", f"DNS:{name}"), Authority(name, signer.pem)
    if case == "another name":
        shown = signer.sign("other", "DNS:example.com,IP:127.0.0.1")
    elif case == "another authority":
        shown = Signer(certificates("stranger")).sign("strange", f"DNS:{name}")
    elif case == "run out":
        shown = signer.sign("old", f"DNS:{name}", "-days", "-1")
    elif case == "of itself":
        shown = certificates("itself")
    with serving(shown.context()) as service:
        endpoint = Endpoint(service.url, "secret", "ab" * 32, None if case == "nobody asked" else asked)
        with pytest.raises(OperationError, match="another certificate") as caught:
            endpoint.pictures({})
        assert service.seen == []
    assert (f"no authority vouches for it as {name}" in caught.value.message) is (case != "nobody asked")
