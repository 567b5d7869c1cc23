"""The vendor's signature: one computed by hand, and all of it accepted by the local cloud's own verifier."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from garret.local_cloud import wire
from garret.local_cloud.core import ApiError
from garret.service_runtime.acs3 import AccessKeys, query_string, signed_headers

NOW = datetime(2026, 11, 21, 7, 0, 0, tzinfo=UTC)
KEYS = AccessKeys("key-of-a-test", "secret-of-a-test")


def headers(keys: AccessKeys = KEYS, **parameters: str) -> dict[str, str]:
    """Sign a StopInstance with these parameters."""
    return signed_headers(
        keys, host="127.0.0.1:1", action="StopInstance", version="2014-05-26", parameters=parameters, now=NOW,
        nonce="once",
    )  # fmt: skip


def test_the_signature_is_the_one_computed_step_by_step() -> None:
    """The canonical request, written out by hand, hashed and signed as the vendor says."""
    empty = hashlib.sha256(b"").hexdigest()
    canonical = (
        "POST\n/\nInstanceId=i%201%2A~\n"
        f"host:127.0.0.1:1\nx-acs-action:StopInstance\nx-acs-content-sha256:{empty}\nx-acs-date:2026-11-21T07:00:00Z\n"
        "x-acs-signature-nonce:once\nx-acs-version:2014-05-26\n"
        "\nhost;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version\n" + empty
    )
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    expected = hmac.new(b"secret-of-a-test", text.encode(), hashlib.sha256).hexdigest()
    assert headers(InstanceId="i 1*~")["authorization"].endswith(f"Signature={expected}")


@pytest.mark.parametrize("value", ["plain", "a b", "+", "ü 中文", "a&b=c", "~-_.", ""])
def test_the_local_cloud_which_has_a_verifier_of_its_own_agrees(value: str) -> None:
    """What is signed here is accepted there, whatever characters it holds."""
    parameters = {"InstanceId": value, "RegionId": "cn-hangzhou"}
    request = wire.Request("POST", "/", query_string(parameters), headers(**parameters), b"")
    asked = wire.verify(request, {"key-of-a-test": "secret-of-a-test"}, NOW, lambda _: True)
    assert (asked.action, asked.params) == ("StopInstance", parameters)


def test_a_changed_parameter_is_noticed() -> None:
    """The verifier above can say no."""
    request = wire.Request("POST", "/", "InstanceId=i-2", headers(InstanceId="i-1"), b"")
    with pytest.raises(ApiError, match="SignatureDoesNotMatch"):
        wire.verify(request, {"key-of-a-test": "secret-of-a-test"}, NOW, lambda _: True)


def test_a_temporary_key_brings_its_token_signed() -> None:
    """The token is among the signed headers, and secret and token stay out of every text."""
    keys = AccessKeys("STS.key", "hidden-secret", "hidden-token")
    signed = headers(keys, InstanceId="i-1")
    assert "x-acs-security-token" in signed["authorization"]
    assert "hidden" not in repr(keys)
