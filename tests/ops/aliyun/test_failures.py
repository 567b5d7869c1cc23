"""Vendor errors through both real SDKs and our own reads: one shape, tried again where it helps, never a key told."""

from __future__ import annotations

import socket

import pytest

from garret.errors import CloudError
from garret.ops.aliyun.failures import scrub
from garret.ops.aliyun.network import VpcNetwork
from garret.ops.aliyun.retries import ATTEMPTS, NO_ANSWER, PATIENT_ATTEMPTS
from garret.ops.aliyun.session import Session
from garret.ops.aliyun.stacks import RosStacks
from tests.ops.aliyun.conftest import KEYS
from tests.ops.aliyun.vendor import REQUEST_ID, StandingClock, Vendor

STACK = {"StackId": "stack-1", "StackName": "garret-garret", "Status": "CREATE_COMPLETE"}
NO_ADDRESSES = {"EipAddresses": {"EipAddress": []}}


def ask(session: Session, way: str) -> object:
    """Ask something that changes nothing by one of the three ways."""
    if way == "typed":
        return RosStacks(session).validate("template: 1")
    if way == "core":
        return session.common("vpc", "DescribeEipAddresses", {})
    return RosStacks(session).get("stack-1")


ACTIONS = {"typed": "ValidateTemplate", "core": "DescribeEipAddresses", "read": "GetStack"}
EVERY_WAY = pytest.mark.parametrize("sdk", ["typed", "core", "read"])


@EVERY_WAY
def test_a_refusal_keeps_code_words_and_request_id(vendor: Vendor, session: Session, sdk: str) -> None:
    """What the cloud said is all there, once, and it is not asked again."""
    vendor.refuses(
        ACTIONS[sdk], "Forbidden.RAM", "User not authorized to operate on the specified resource.", status=403
    )
    with pytest.raises(CloudError) as raised:
        ask(session, sdk)
    error = raised.value
    assert (error.action, error.code, error.request_id) == (ACTIONS[sdk], "Forbidden.RAM", REQUEST_ID)
    assert error.message.count("User not authorized") == 1
    assert error.message.count(REQUEST_ID) == 1
    assert "permission" in error.hint
    assert not error.retryable
    assert len(vendor.sent) == 1


PASSING = [
    ("Throttling", 400),
    ("Throttling.User", 400),
    ("Throttling.Api", 429),
    ("Rejected.Throttling", 400),
    ("ServiceUnavailable", 503),
    ("InternalError", 500),
    ("SomethingNew", 502),
    ("SignatureNonceUsed", 400),
    ("LastTokenProcessing", 403),
    ("IdempotentProcessing", 403),
]


@EVERY_WAY
@pytest.mark.parametrize("refusal", PASSING)
def test_what_passes_is_waited_for(
    vendor: Vendor, session: Session, clock: StandingClock, sdk: str, refusal: tuple[str, int]
) -> None:
    """Throttling and 5xx are tried again with growing pauses, and each time with a fresh nonce."""
    code, status = refusal
    vendor.refuses(ACTIONS[sdk], code, status=status, times=ATTEMPTS - 1)
    vendor.says(ACTIONS[sdk], {**STACK, **NO_ADDRESSES})
    ask(session, sdk)
    assert len(vendor.sent) == ATTEMPTS
    assert len(clock.slept) == ATTEMPTS - 1
    assert all(0.2 <= pause <= 8 for pause in clock.slept)
    assert clock.slept[-1] > clock.slept[0]
    nonces = [
        sent.headers.get("x-acs-signature-nonce") or sent.parameters.get("SignatureNonce") for sent in vendor.sent
    ]
    assert len(set(nonces)) == ATTEMPTS


@EVERY_WAY
def test_patience_ends(vendor: Vendor, session: Session, clock: StandingClock, sdk: str) -> None:
    """A cloud that goes on refusing is told so in its own words."""
    vendor.refuses(ACTIONS[sdk], "Throttling.User", "Request was denied due to user flow control.")
    with pytest.raises(CloudError, match="flow control") as raised:
        ask(session, sdk)
    assert raised.value.retryable
    assert len(vendor.sent) == PATIENT_ATTEMPTS
    assert sum(clock.slept) < 90


def test_ten_refusals_in_a_row_are_survived(vendor: Vendor, session: Session) -> None:
    """A busy account's flow control is no reason to fail; an outage is told sooner."""
    vendor.refuses("GetStack", "Throttling.User", times=10)
    vendor.says("GetStack", STACK)
    assert RosStacks(session).get("stack-1") is not None
    vendor.answers.clear()
    vendor.refuses("GetStack", "ServiceUnavailable", status=503)
    with pytest.raises(CloudError):
        RosStacks(session).get("stack-1")
    assert len(vendor.sent) == 11 + ATTEMPTS


@EVERY_WAY
def test_a_lost_reply_is_asked_for_again(vendor: Vendor, session: Session, sdk: str) -> None:
    """A connection that breaks before the answer is no answer; reading again does no harm."""
    vendor.breaks(ACTIONS[sdk])
    vendor.says(ACTIONS[sdk], {**STACK, **NO_ADDRESSES})
    ask(session, sdk)
    assert len(vendor.sent) == 2


@EVERY_WAY
def test_nobody_there_is_said_without_the_url(clock: StandingClock, sdk: str) -> None:
    """SDKs put the whole signed URL into their message; ours says what is wrong, and what to do."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(CloudError) as raised:
        ask(Session("cn-hangzhou", {"ros": url, "vpc": url}, KEYS, clock), sdk)
    text = f"{raised.value.message} {raised.value.hint}"
    assert raised.value.code == NO_ANSWER
    assert "refused" in text
    assert "network" in raised.value.hint
    assert KEYS.access_key_id not in text
    assert "Signature" not in text


@EVERY_WAY
def test_no_secret_is_in_an_error(vendor: Vendor, session: Session, sdk: str) -> None:
    """When the signature is wrong, the cloud sends back what was signed, key and all."""
    echoed = (
        "Specified signature is not matched with our calculation. server string to sign is:"
        f"GET&%2F&AccessKeyId%3D{KEYS.access_key_id}%26Action%3DX%26SecurityToken%3Dtoken-of-mine%26Signature%3Dabc123"
    )
    vendor.refuses(ACTIONS[sdk], "SignatureDoesNotMatch", echoed)
    with pytest.raises(CloudError) as raised:
        ask(session, sdk)
    assert "signature is not matched" in raised.value.message
    assert "string to sign" not in raised.value.message
    assert "SECRET" in raised.value.hint
    for secret in (KEYS.access_key_id, KEYS.access_key_secret, "token-of-mine", "abc123"):
        assert secret not in str(raised.value.to_dict())


@pytest.mark.parametrize(
    "text",
    [
        "https://ros.aliyuncs.com/?AccessKeyId=PLANTED&Action=X",
        "Signature=PLANTED&Action=X",
        "{'SecurityToken': 'PLANTED', 'Action': 'X'}",
        '"x-acs-security-token": "PLANTED"',
        "ACS3-HMAC-SHA256 Credential=PLANTED,SignedHeaders=a;b,Signature=PLANTED",
        "AccessKeyId%3DPLANTED%26Action%3DX",
        "the key LTAIPLANTED0000000000 is not known",
        "token STS.PLANTED000000000000",
    ],
)
def test_scrubbing_takes_the_secret_and_leaves_a_text(text: str) -> None:
    """Keys, tokens and signatures go in every spelling that SDKs use."""
    assert "PLANTED" not in scrub(text)
    assert len(scrub(text)) > 5


def test_a_stop_is_not_sent_twice_when_its_answer_is_lost(vendor: Vendor, session: Session) -> None:
    """Where a second call would not be the same, a lost answer is told; a refusal before any work is tried again."""
    from garret.ops.aliyun.instances import EcsInstances

    vendor.breaks("StopInstance")
    with pytest.raises(CloudError) as raised:
        EcsInstances(session).stop("i-1", economical=True)
    assert raised.value.code == NO_ANSWER
    assert len(vendor.sent) == 1

    vendor.answers.clear()
    vendor.refuses("StopInstance", "Throttling.User")
    vendor.says("StopInstance", {})
    EcsInstances(session).stop("i-1", economical=True)
    assert len(vendor.of("StopInstance")) == 3


def test_faults_of_ours_stay_what_they_are(session: Session) -> None:
    """An exception that no SDK raised is not dressed up as the cloud's."""
    with pytest.raises(ZeroDivisionError):
        session.call("Anything", lambda: 1 // 0)


def test_an_answer_that_is_no_json_object_is_told(vendor: Vendor, session: Session) -> None:
    """A proxy's page instead of an answer is a cloud error, not a traceback."""
    vendor.answers["DescribeEipAddresses"] = [(200, ["not", "an", "object"])]
    with pytest.raises(CloudError, match="JSON"):
        VpcNetwork(session)._addresses("garret")
