"""Signatures: what the vendor's SDKs sign is accepted, and nothing else is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garret.local_cloud.clock import ManualClock, parse_stamp
from garret.local_cloud.core import ApiError
from garret.local_cloud.wire import Request, verify
from tests.local_cloud.house import KEY, SECRET, House, PaperDriver, code_of

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
# Names as the vendor has them (the typed SDK signs them unencoded), and never one of the signature's own.
NAMES = st.from_regex(r"x[A-Za-z0-9_.-]{0,9}", fullmatch=True)
PARAMS = st.dictionaries(NAMES, TEXT, max_size=5)
NOW = datetime(2026, 11, 21, 2, 12, 8, tzinfo=UTC)


def fresh(_: str) -> bool:
    """Every nonce is new."""
    return True


def signed3(query: dict[str, str], body: bytes = b"", **headers: str) -> Request:
    """Make a request as the typed SDKs do, signed by the vendor's own code."""
    from alibabacloud_tea_openapi.utils import Utils
    from darabonba.request import DaraRequest

    raw: Any = DaraRequest()
    raw.method, raw.pathname, raw.query = "POST", "/", query
    digest = hashlib.sha256(body).hexdigest()
    raw.headers = {
        "host": "127.0.0.1:1",
        "x-acs-action": "DescribeRegions",
        "x-acs-version": "2014-05-26",
        "x-acs-date": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": "n",
        "x-acs-content-sha256": digest,
        **({"content-type": "application/x-www-form-urlencoded"} if body else {}),
        **headers,
    }
    authorization = Utils.get_authorization(raw, "ACS3-HMAC-SHA256", digest, KEY, SECRET)
    return Request("POST", "/", urlencode(query), {**raw.headers, "authorization": authorization}, body)


@settings(deadline=None)  # the first example pays for importing the SDK
@given(query=PARAMS, form=PARAMS)
def test_odd_values_pass_version_3(query: dict[str, str], form: dict[str, str]) -> None:
    """Any text as a value, in the query and in the form, verifies and arrives unchanged."""
    form = {name: value for name, value in form.items() if name not in query}
    asked = verify(signed3(query, urlencode(form).encode()), {KEY: SECRET}, NOW, fresh)
    assert asked.params == {**query, **form}
    assert (asked.action, asked.version, asked.access_key_id) == ("DescribeRegions", "2014-05-26", KEY)


@settings(deadline=None)  # the first example pays for importing the SDK
@given(query=PARAMS, form=PARAMS)
def test_odd_values_pass_version_1(query: dict[str, str], form: dict[str, str]) -> None:
    """The same through the older SDK's own signing code."""
    from aliyunsdkcore.auth.composer.rpc_signature_composer import get_signed_url

    form = {name: value for name, value in form.items() if name not in query}
    basics = {"Action": "DescribeVpcs", "Version": "2016-04-28"}
    url, _ = get_signed_url({**query, **basics}, KEY, SECRET, "JSON", "POST", form)
    headers = {"content-type": "application/x-www-form-urlencoded"} if form else {}
    request = Request("POST", "/", url.removeprefix("/?"), headers, urlencode(form).encode())
    asked = verify(request, {KEY: SECRET}, datetime.now(UTC), fresh)
    assert asked.params == {**query, **form}
    assert (asked.action, asked.version, asked.access_key_id) == ("DescribeVpcs", "2016-04-28", KEY)


def test_a_recorded_request_of_each_sdk_verifies() -> None:
    """Requests recorded on the wire in November 2026 verify, so a later SDK cannot move the goal unseen."""
    agent = "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2"
    signed = (
        "accept;host;user-agent;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;"
        "x-acs-signature-nonce;x-acs-version"
    )
    headers = {
        "host": "127.0.0.1:40961",
        "x-acs-version": "2014-05-26",
        "x-acs-action": "DescribeInstances",
        "user-agent": agent,
        "x-acs-date": "2026-11-21T02:12:08Z",
        "x-acs-signature-nonce": "c2010586d7f8950de6ccb711e6862024",
        "accept": "application/json",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-credentials-provider": "static_ak",
        "authorization": f"ACS3-HMAC-SHA256 Credential=testAK,SignedHeaders={signed},"
        "Signature=2b676c1c4583efe6b92b2c8f4667a92f3779accc942baa4e1dfd2d4c11c6cb80",
    }
    secrets = {"testAK": "testSecret0000000000000000000000"}
    query = "InstanceIds=%5B%22i-bp1%22%5D&RegionId=cn-hangzhou"
    assert verify(Request("POST", "/", query, headers, b""), secrets, NOW, fresh).params["InstanceIds"] == '["i-bp1"]'
    old = (
        "InstanceId=i-bp1&StoppedMode=StopCharging&Version=2014-05-26&Action=StopInstance&Format=JSON"
        "&RegionId=cn-hangzhou&Timestamp=2026-11-21T02%3A12%3A57Z&SignatureMethod=HMAC-SHA1&SignatureType="
        "&SignatureVersion=1.0&SignatureNonce=7148609425cb3747f828dd6fc48dad9d&AccessKeyId=testAK"
        "&Signature=yGW6hgyfBtQtY0Sr2OT21qWvz40%3D"
    )
    assert verify(Request("POST", "/", old, {}, b""), secrets, NOW, fresh).action == "StopInstance"


def _body(request: Request) -> Request:
    return Request(request.method, request.path, request.query, request.headers, b"X=2")


def _query(request: Request) -> Request:
    return Request(request.method, request.path, "RegionId=elsewhere", request.headers, request.body)


def _header(name: str, value: str) -> Callable[[Request], Request]:
    return lambda request: Request(
        request.method, request.path, request.query, {**request.headers, name: value}, request.body
    )


def _unsigned(request: Request) -> Request:
    authorization = request.headers["authorization"].replace(";x-acs-action", "")
    return _header("authorization", authorization)(request)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_body, "SignatureDoesNotMatch"),
        (_query, "SignatureDoesNotMatch"),
        (_header("x-acs-action", "DeleteInstance"), "SignatureDoesNotMatch"),
        (_header("x-acs-version", "2016-04-28"), "SignatureDoesNotMatch"),
        (_header("x-acs-content-sha256", "0" * 64), "SignatureDoesNotMatch"),
        (_unsigned, "IncompleteSignature"),
        (_header("authorization", "ACS3-HMAC-SHA256 Credential=x"), "IncompleteSignature"),
        (_header("authorization", "ACS3-HMAC-SHA256 "), "IncompleteSignature"),
        (_header("authorization", "Bearer x"), "MissingParameter"),
    ],
)
def test_whatever_is_changed_after_signing_is_refused(change: Callable[[Request], Request], code: str) -> None:
    """Body, query, action, version, hash or the list of signed headers: none can be touched."""
    request = signed3({"RegionId": "cn-hangzhou"}, b"X=1")
    verify(request, {KEY: SECRET}, NOW, fresh)
    with pytest.raises(ApiError) as refused:
        verify(change(request), {KEY: SECRET}, NOW, fresh)
    assert refused.value.code == code


def test_time_and_nonce() -> None:
    """Fifteen minutes either way are the limit; a time that is none is said to be none; a nonce is good once."""
    request = signed3({})
    for minutes, good in ((-14, True), (14, True), (16, False), (-16, False)):
        if good:
            verify(request, {KEY: SECRET}, NOW + timedelta(minutes=minutes), fresh)
        else:
            with pytest.raises(ApiError) as refused:
                verify(request, {KEY: SECRET}, NOW + timedelta(minutes=minutes), fresh)
            assert refused.value.code == "InvalidTimeStamp.Expired"
    with pytest.raises(ApiError) as refused:
        verify(signed3({}, **{"x-acs-date": "yesterday"}), {KEY: SECRET}, NOW, fresh)
    assert refused.value.code == "InvalidTimeStamp.Format"
    with pytest.raises(ApiError) as refused:
        verify(request, {KEY: SECRET}, NOW, lambda _: False)
    assert refused.value.code == "SignatureNonceUsed"


def test_a_forged_request_does_not_use_up_the_nonce() -> None:
    """The nonce of a request with a wrong signature is not written down."""
    used: list[str] = []
    with pytest.raises(ApiError):
        verify(signed3({}), {KEY: "another"}, NOW, lambda nonce: bool(used.append(nonce)) or True)
    assert used == []


def regions(house: House, **keys: str) -> Any:
    """Ask for the regions through the typed client."""
    from alibabacloud_ecs20140526.models import DescribeRegionsRequest

    return house.ecs(**keys).describe_regions(DescribeRegionsRequest())


def test_both_sdks_are_let_in_and_wrong_keys_are_not(house: House) -> None:
    """Right keys pass; an unknown key is a 404 and a wrong secret a 400, with the vendor's codes, in both SDKs."""
    assert regions(house).status_code == 200
    assert house.common("2014-05-26", "DescribeRegions")["Regions"]["Region"]
    assert house.common("2014-05-26", "DescribeRegions", method="GET")["Regions"]["Region"]
    cases = (({"key": "nobody"}, "InvalidAccessKeyId.NotFound", 404), ({"secret": "no"}, "SignatureDoesNotMatch", 400))
    for keys, code, status in cases:
        with pytest.raises(Exception, match=code) as typed:
            regions(house, **keys)
        assert (code_of(typed.value), typed.value.status_code) == (code, status)
        assert typed.value.data["RequestId"]
        with pytest.raises(Exception, match=code) as common:
            house.common("2014-05-26", "DescribeRegions", **keys)
        assert (common.value.get_error_code(), common.value.get_http_status()) == (code, status)
        assert common.value.get_request_id()


def test_security_tokens_are_refused_by_name(house: House) -> None:
    """A security token is refused as such: the local cloud hands none out."""
    with pytest.raises(Exception, match="InvalidSecurityToken"):
        regions(house, token="some-token")


def test_a_slow_clock_is_refused_on_the_wire() -> None:
    """The server's clock decides: a request a quarter of an hour old gets the vendor's code."""
    with House(PaperDriver(), ManualClock(parse_stamp("2026-01-01T00:00:00Z"))) as house:
        with pytest.raises(Exception, match=r"InvalidTimeStamp\.Expired"):
            regions(house)
        with pytest.raises(Exception, match=r"InvalidTimeStamp\.Expired"):
            house.common("2014-05-26", "DescribeRegions")


def test_a_replayed_request_is_refused(house: House) -> None:
    """The very same bytes a second time get SignatureNonceUsed."""
    from aliyunsdkcore.auth.composer.rpc_signature_composer import get_signed_url

    url, _ = get_signed_url({"Action": "DescribeRegions", "Version": "2014-05-26"}, KEY, SECRET, "JSON", "GET", {})
    status, first = house.http("GET", url)
    assert status == 200, first
    status, second = house.http("GET", url)
    assert (status, second["Code"]) == (400, "SignatureNonceUsed")
    assert set(second) >= {"Code", "Message", "RequestId", "HostId", "Recommend"}
