"""SSH key pairs: real keys, told once; found by name, fingerprint and tag; given to instances."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.local_cloud.house import REGION, House
from tests.local_cloud.machines import describe, running


def public_line(private: str) -> str:
    """Return the public key of a private one, as OpenSSH writes it."""
    key = serialization.load_pem_private_key(private.encode(), None)
    form = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return key.public_key().public_bytes(*form).decode()


def fingerprint(public: str) -> str:
    """Return the MD5 of the key's bytes."""
    return hashlib.md5(base64.b64decode(public.split()[1]), usedforsecurity=False).hexdigest()


def test_a_made_key_is_real_and_told_once(house: House) -> None:
    """The private key opens what the public key closes; the cloud forgets it, and the name is taken."""
    made = house.call("CreateKeyPair", RegionId=REGION, KeyPairName="mine")
    public = public_line(made["PrivateKeyBody"])
    assert made["KeyPairFingerPrint"] == fingerprint(public)
    seen = house.call("DescribeKeyPairs", RegionId=REGION, KeyPairName="mi*", IncludePublicKey=True)
    assert [one["PublicKey"] for one in seen["KeyPairs"]["KeyPair"]] == [public]
    assert "PRIVATE" not in str(house.store.pairs("key_pair")) + str(house.store.pairs("client_token"))
    with pytest.raises(Exception, match=r"KeyPair\.AlreadyExist"):
        house.call("CreateKeyPair", RegionId=REGION, KeyPairName="mine")
    for name in ("1st", "http://x", "a"):
        with pytest.raises(Exception, match=r"InvalidKeyPairName\.Malformed"):
            house.call("CreateKeyPair", RegionId=REGION, KeyPairName=name)


def test_a_key_brought_along(house: House) -> None:
    """Ed25519 is taken; text that is no key is not; an instance gets it, loses it, and others are told."""
    form = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    public = Ed25519PrivateKey.generate().public_key().public_bytes(*form).decode()
    for wrong in ("ssh-ed25519 AAAA", "hello", public.replace("ssh-ed25519", "ssh-rsa")):
        with pytest.raises(Exception, match=r"InvalidPublicKeyBody\.Malformed"):
            house.call("ImportKeyPair", RegionId=REGION, KeyPairName="own", PublicKeyBody=wrong)
    made = house.call("ImportKeyPair", RegionId=REGION, KeyPairName="own", PublicKeyBody=f"{public} me@home")
    assert made["KeyPairFingerPrint"] == fingerprint(public)
    instance = running(house, KeyPairName="own")
    assert describe(house, instance)["KeyPairName"] == "own"
    both = f'["{instance}", "i-none"]'
    reply = house.call("DetachKeyPair", RegionId=REGION, KeyPairName="own", InstanceIds=both)
    assert (reply["TotalCount"], reply["FailCount"]) == ("2", "1")
    assert describe(house, instance)["KeyPairName"] == ""
    house.call("AttachKeyPair", RegionId=REGION, KeyPairName="own", InstanceIds=f'["{instance}"]')
    assert describe(house, instance)["KeyPairName"] == "own"
    house.call("DeleteKeyPairs", RegionId=REGION, KeyPairNames='["own", "never"]')
    assert house.call("DescribeKeyPairs", RegionId=REGION)["TotalCount"] == 0
    with pytest.raises(Exception, match=r"InvalidKeyPairName\.NotFound"):
        house.call("AttachKeyPair", RegionId=REGION, KeyPairName="own", InstanceIds=f'["{instance}"]')
