"""Reads by the standard library alone: signed like the SDKs, kept alive, bounded, and as honest about failures."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from garret.errors import CloudError
from garret.ops.aliyun.products import PRODUCTS, default_domain
from garret.ops.aliyun.session import Keys, Session, environment_keys
from garret.ops.aliyun.signed import SignedReader, flattened
from garret.service_runtime.acs3 import signed_headers
from tests.local_cloud.house import KEY, REGION, SECRET, House, PaperDriver
from tests.ops.aliyun.conftest import KEYS
from tests.ops.aliyun.vendor import REQUEST_ID, StandingClock, Vendor

ODD = {"Tag": [{"Key": "a b", "Value": "中文*~+/?&="}], "DryRun": True, "Gone": None, "Size": 3}


@pytest.fixture(scope="module")
def local() -> Iterator[House]:
    """A local cloud, whose verifier was written apart from our signer."""
    with House(PaperDriver()) as house:
        yield house


def local_session(local: House, keys: Keys | None = None) -> Session:
    """A session at that cloud."""
    where = dict.fromkeys(PRODUCTS, f"http://{local.host}")
    return Session(REGION, where, keys or Keys(KEY, SECRET), StandingClock())


def test_the_signature_is_the_vendors_own() -> None:
    """For the same headers and query, the code inside the typed SDKs computes the same Authorization."""
    from alibabacloud_tea_openapi.utils import Utils
    from darabonba.request import DaraRequest

    query, body = flattened(ODD), b"TemplateBody=%7B%7D"
    ours = signed_headers(
        Keys("an-id", "a-secret", "a-token"),
        host="ros.aliyuncs.com",
        action="GetStack",
        version="2019-09-10",
        parameters=query,
        body=body,
        content_type="application/x-www-form-urlencoded",
        now=datetime(2026, 11, 21, 2, 12, 8, tzinfo=UTC),
        nonce="2a882e84268485f4c85963cf7ff131d4",
    )
    theirs = DaraRequest()
    theirs.method, theirs.pathname, theirs.query = "POST", "/", query
    theirs.headers = {name: value for name, value in ours.items() if name != "authorization"}
    assert ours["x-acs-date"] == "2026-11-21T02:12:08Z"
    assert ours["authorization"] == Utils.get_authorization(
        theirs, "ACS3-HMAC-SHA256", ours["x-acs-content-sha256"], "an-id", "a-secret"
    )


def test_parameters_travel_flat() -> None:
    """Lists count from one, truth is a word in lower case, and what is None stays at home."""
    assert flattened(ODD) == {"Tag.1.Key": "a b", "Tag.1.Value": "中文*~+/?&=", "DryRun": "true", "Size": "3"}


def test_the_local_clouds_verifier_agrees(local: House) -> None:
    """Odd characters, nested lists and a form in the body pass a verifier that shares no code with the signer."""
    session = local_session(local)
    head = "ROSTemplateFormatVersion: '2015-09-01', Description: '中文 *~+ &='"
    template = f"{{{head}, Resources: {{N: {{Type: ALIYUN::ECS::VPC}}}}}}"
    assert session.read("ros", "ValidateTemplate", {"TemplateBody": template})["Description"] == "中文 *~+ &="
    tag = {"Key": "garret:deployment", "Value": "中文 *~+"}
    assert session.read("ecs", "DescribeInstances", {"Tag": [tag]})["Instances"] == {"Instance": []}
    assert session.read("sts", "GetCallerIdentity")["AccountId"]


def test_a_wrong_secret_is_refused(local: House) -> None:
    """The verifier does look: with another secret the same request does not pass."""
    with pytest.raises(CloudError) as raised:
        local_session(local, Keys(KEY, "another")).read("sts", "GetCallerIdentity")
    assert raised.value.code == "SignatureDoesNotMatch"
    assert "another" not in str(raised.value.to_dict())


def test_a_temporary_key_brings_its_token(vendor: Vendor, clock: StandingClock) -> None:
    """The token travels in a signed header, and the key's id beside it."""
    vendor.says("GetStack", {"StackId": "stack-1"})
    Session(REGION, {"ros": vendor.url}, Keys("STS.x", "s", "a-token"), clock).read("ros", "GetStack")
    headers = vendor.sent[0].headers
    assert (headers["x-acs-security-token"], headers["x-acs-accesskey-id"]) == ("a-token", "STS.x")
    assert "x-acs-security-token" in headers["authorization"]


def test_region_and_version_are_the_products(vendor: Vendor, session: Session) -> None:
    """Products with one place per region are told which; the others take no RegionId, and quotas read the body."""
    vendor.says("GetStack", {})
    vendor.says("GetCallerIdentity", {})
    vendor.says("ListProductQuotas", {})
    session.read("ros", "GetStack", {"StackId": "s"})
    session.read("sts", "GetCallerIdentity")
    session.read("quotas", "ListProductQuotas", {"ProductCode": "ecs"})
    stack, caller, quotas = vendor.sent
    assert (stack.parameters, stack.headers["x-acs-version"]) == ({"StackId": "s", "RegionId": REGION}, "2019-09-10")
    assert caller.parameters == {}
    assert (quotas.parameters, quotas.headers["content-type"]) == (
        {"ProductCode": "ecs"},
        "application/x-www-form-urlencoded",
    )


def test_domains_are_those_of_the_typed_clients() -> None:
    """What is read here and what is written by the SDKs is at the same place, in every region of the local cloud."""
    from alibabacloud_ecs20140526.client import Client as Ecs
    from alibabacloud_ros20190910.client import Client as Ros
    from alibabacloud_tea_openapi.models import Config

    from garret.local_cloud.regions import REGIONS

    for region in REGIONS:
        for product, client in (("ros", Ros), ("ecs", Ecs)):
            theirs = client(Config(access_key_id="a", access_key_secret="b", region_id=region))
            assert default_domain(product, region) == theirs._endpoint


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "i"}, None),
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "i", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s"}, Keys("i", "s")),
        (
            {
                "ALIBABA_CLOUD_ACCESS_KEY_ID": "i",
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s",
                "ALIBABA_CLOUD_SECURITY_TOKEN": "t",
            },
            Keys("i", "s", "t"),
        ),
    ],
)
def test_keys_of_the_environment_are_taken_directly(environment: dict[str, str], found: Keys | None) -> None:
    """The chain's first rung needs no import; without both halves the chain itself is asked."""
    assert environment_keys(environment) == found


READ_ALONE = """
import sys
from garret.ops.aliyun.session import Session
Session("cn-hangzhou", {"ros": sys.argv[1]}).read("ros", "GetStack", {"StackId": "s"})
loaded = [n for n in sys.modules if n.startswith(("alibabacloud", "Tea", "aliyunsdkcore", "darabonba", "requests"))]
sys.exit(f"loaded {loaded[:3]}" if loaded else 0)
"""


def test_a_read_loads_no_sdk(vendor: Vendor) -> None:
    """With keys in the environment neither SDK is imported, nor the vendor's credential chain."""
    vendor.says("GetStack", {})
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ALIBABA")}
    environment |= {"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI-environment", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s"}
    done = subprocess.run(
        [sys.executable, "-c", READ_ALONE, vendor.url], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Credential=LTAI-environment," in vendor.sent[0].headers["authorization"]


def test_an_answer_that_is_no_json_is_asked_for_again(vendor: Vendor, session: Session) -> None:
    """A gateway's page is no answer: with 5xx another try may help, and then the status is told."""
    vendor.answers["GetStack"] = [(502, "<html>"), (200, {"StackId": "stack-1"})]
    assert session.read("ros", "GetStack")["StackId"] == "stack-1"
    vendor.answers["GetStack"] = [(200, ["not", "an", "object"])]
    with pytest.raises(CloudError, match="JSON"):
        session.read("ros", "GetStack")


def test_a_refusal_has_code_and_request_id(vendor: Vendor, session: Session) -> None:
    """The cloud's words arrive in the same shape as through the SDKs."""
    vendor.refuses("GetStack", "Forbidden.RAM", "User not authorized.", status=403)
    with pytest.raises(CloudError) as raised:
        session.read("ros", "GetStack")
    assert (raised.value.code, raised.value.request_id, raised.value.retryable) == ("Forbidden.RAM", REQUEST_ID, False)
    assert len(vendor.sent) == 1


class Counting(ThreadingHTTPServer):
    """A server that keeps connections alive and counts them."""

    connections: int = 0
    served: int = 0
    hang_up_after: int = 0
    answer: bytes = b"{}"
    daemon_threads = True

    def get_request(self) -> Any:
        """Count."""
        self.connections += 1
        return super().get_request()


class KeptAlive(BaseHTTPRequestHandler):
    """Answers; when told to, hangs up silently after so many answers, as servers do with idle connections."""

    protocol_version = "HTTP/1.1"
    server: Counting
    timeout: ClassVar[float] = 5

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.served += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)
        if self.server.hang_up_after and self.server.served >= self.server.hang_up_after:
            self.server.hang_up_after = 0
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def counting() -> Iterator[Counting]:
    """Serve until the test ends."""
    server = Counting(("127.0.0.1", 0), KeptAlive)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_one_connection_serves_all_reads_of_a_thread() -> None:
    """Shaking hands once is enough; one that the other side closed while idle is replaced without a word."""
    reader = SignedReader()
    with counting() as server:
        url = f"http://127.0.0.1:{server.server_port}"
        for _ in range(3):
            assert reader.ask(url, "ros", "GetStack", {}, KEYS) == {}
        assert server.connections == 1
        server.hang_up_after = 1
        for _ in range(2):
            assert reader.ask(url, "ros", "GetStack", {}, KEYS) == {}
        assert (server.connections, server.served) == (2, 5)


def test_threads_ask_at_once() -> None:
    """Each question in flight has a connection of its own, which serves the next ones."""
    reader = SignedReader()
    with counting() as server, ThreadPoolExecutor(4) as pool:
        url = f"http://127.0.0.1:{server.server_port}"
        answers = list(pool.map(lambda _: reader.ask(url, "ros", "GetStack", {}, KEYS), range(40)))
        assert (len(answers), server.served) == (40, 40)
        assert 1 <= server.connections <= 4


def test_an_endless_answer_is_cut(clock: StandingClock) -> None:
    """What is longer than any answer of the cloud is not read into memory, and not asked for again."""
    with counting() as server:
        server.answer = b" " * ((64 << 20) + 2)
        session = Session(REGION, {"ros": f"http://127.0.0.1:{server.server_port}"}, KEYS, clock)
        with pytest.raises(CloudError, match="longer than"):
            session.read("ros", "GetStack")
        assert server.served == 1


def test_an_untrusted_certificate_ends_it(clock: StandingClock) -> None:
    """TLS is verified by what the machine trusts; a plain server behind https is no answer either."""
    with counting() as server:
        session = Session(REGION, {"ros": f"https://127.0.0.1:{server.server_port}"}, KEYS, clock)
        with pytest.raises(CloudError, match="NoAnswer"):
            session.read("ros", "GetStack")
        assert server.served == 0


TUNNEL = """
import sys
from garret.errors import CloudError
from garret.ops.aliyun.session import Session
try:
    Session("cn-hangzhou").read("sts", "GetCallerIdentity")
except CloudError as error:
    sys.exit(0 if error.code == "NoAnswer" else str(error))
"""


def test_a_proxy_of_the_environment_is_asked_to_tunnel() -> None:
    """Towards the cloud a proxy gets CONNECT with its login, and never sees the request inside."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        proxy = f"http://me:a%20b@127.0.0.1:{listener.getsockname()[1]}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ALIBABA")}
        environment |= {
            "https_proxy": proxy,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "i",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s",
        }
        child = subprocess.Popen([sys.executable, "-c", TUNNEL], env=environment)
        try:
            heard = listener.accept()[0]
            with heard:
                first = heard.recv(65536).decode()
                heard.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        finally:
            child.kill()
            child.wait()
    assert first.startswith("CONNECT sts.aliyuncs.com:443 HTTP/1.")
    assert "Proxy-Authorization: Basic bWU6YSBi" in first
    assert "x-acs" not in first.lower()


def test_no_proxy_stands_before_loopback(vendor: Vendor, monkeypatch: pytest.MonkeyPatch, clock: StandingClock) -> None:
    """A cloud on this machine is asked directly, whatever the environment says."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    vendor.says("GetStack", {"StackId": json.dumps("x")})
    assert Session(REGION, {"ros": vendor.url}, KEYS, clock).read("ros", "GetStack")
