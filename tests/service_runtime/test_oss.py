"""Signatures for OSS, held against those that the vendor's SDK oss2 2.19.1 made for the same requests."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from garret.service_runtime.acs3 import AccessKeys
from garret.service_runtime.model_sources import Object
from garret.service_runtime.oss import is_public_or_inside, signed_headers

KEYS = AccessKeys("STS.id", "secret", "the/token+x==")
AT = datetime(2026, 11, 21, 8, 9, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "signature"),
    [
        ("models/sd_xl_base_1.0.safetensors", "a44ab355c8eec97d25e92ffacd90bbbe5389f98d84bd53280e6715e2a4121642"),
        ("模 型/a+b~(1).safetensors", "3b75d47bc6e89d3a785e22800e4b6ca27afcd07e410bae09c535d70b66bfbe60"),
    ],
)
def test_a_signature_is_the_vendor_s(key: str, signature: str) -> None:
    """With a role's temporary keys, whose token is signed as well."""
    headers = signed_headers(KEYS, Object("my-bucket", key, "cn-hangzhou"), AT)
    assert headers == {
        "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
        "x-oss-date": "20261121T080910Z",
        "x-oss-security-token": "the/token+x==",
        "Authorization": "OSS4-HMAC-SHA256 Credential=STS.id/20261121/cn-hangzhou/oss/aliyun_v4_request, "
        f"Signature={signature}",
    }


def test_a_bucket_may_answer_inside_the_cloud_and_the_metadata_may_not() -> None:
    """Both live in 100.64.0.0/10."""
    inside = ["100.118.28.50", "100.64.0.1", "100.127.255.254", "47.110.23.1"]
    assert all(map(is_public_or_inside, inside))
    other = ["100.100.100.200", "127.0.0.1", "10.0.0.1", "192.168.1.1", "100.63.0.1.5", "169.254.169.254", "::1", "x"]
    assert not any(map(is_public_or_inside, other))
