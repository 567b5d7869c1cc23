"""SSH key pairs: real RSA keys made here, or public keys brought along. A private key is told once and never kept."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import re
from collections.abc import Callable
from typing import Any

from garret.local_cloud import tagging
from garret.local_cloud.core import ApiError, Call, Cloud, missing
from garret.local_cloud.ecs import lifecycle
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import Reply, has_tags, names, page, tags

_NAME = re.compile(r"(?!https?://)[^\W\d_][\w.:-]{1,127}")
_KINDS = ("ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
INSTANCES = 50  # in one call


def create_key_pair(call: Call, cloud: Cloud) -> Reply:
    """Make an RSA key pair and tell its private key, once."""
    private, public = new_key()
    body = _put(call, cloud, public)
    return {**_told(body), "PrivateKeyBody": private}


def import_key_pair(call: Call, cloud: Cloud) -> Reply:
    """Keep a public key that was made elsewhere."""
    return _told(_put(call, cloud, call.params["PublicKeyBody"].strip()))


def describe_key_pairs(call: Call, cloud: Cloud) -> Reply:
    """Key pairs by name (with *), fingerprint or tag."""
    params, wanted = call.params, tags(call.params)
    name, fingerprint = params.get("KeyPairName", "") or "*", params.get("KeyPairFingerPrint", "")
    found = [
        body
        for body in cloud.store.find("key_pair", call.region)
        if fnmatch.fnmatchcase(body["KeyPairName"], name)
        and fingerprint in ("", body["KeyPairFingerPrint"])
        and has_tags(body, wanted)
    ]
    some, counts = page(call, found, high=100)
    with_key = params.get("IncludePublicKey", "").lower() == "true"
    return {"KeyPairs": {"KeyPair": [_view(body, with_key) for body in some]}, **counts}


def delete_key_pairs(call: Call, cloud: Cloud) -> Reply:
    """Forget key pairs; names that do not exist are fine, and instances keep the key they booted with."""
    wanted = names(call.params, "KeyPairNames")
    with cloud.store.transaction():
        for body in cloud.store.find("key_pair", call.region):
            if body["KeyPairName"] in wanted:
                cloud.store.delete("key_pair", body["KeyPairId"])
    return {}


def attach_key_pair(call: Call, cloud: Cloud) -> Reply:
    """Give instances another key pair, each for itself."""
    name = call.params["KeyPairName"]
    public = find_key_pair(cloud, call.region, name)["PublicKey"]
    return _each(call, cloud, name, lambda _: {"KeyPairName": name, "PublicKey": public})


def detach_key_pair(call: Call, cloud: Cloud) -> Reply:
    """Take a key pair from instances, each for itself."""
    name = call.params["KeyPairName"]
    find_key_pair(cloud, call.region, name)
    none = {"KeyPairName": "", "PublicKey": ""}
    return _each(call, cloud, name, lambda body: none if body["KeyPairName"] == name else {})


def find_key_pair(cloud: Cloud, region: str, name: str) -> dict[str, Any]:
    """The key pair of this name; ApiError InvalidKeyPairName.NotFound otherwise."""
    found = cloud.store.find("key_pair", region, KeyPairName=name)
    if not found:
        raise ApiError("InvalidKeyPairName.NotFound", f"The key pair {name!r} does not exist in {region}.", 404)
    return found[0]


def new_key() -> tuple[str, str]:
    """A fresh RSA key of 2048 bits: the private key as PEM, the public key as one line of OpenSSH."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    open_ssh = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), key.public_key().public_bytes(*open_ssh).decode()


def fingerprint_of(public: str) -> str:
    """The MD5 of the public key's bytes, 32 digits, as the vendor writes it; ApiError when the text is no key."""
    try:
        kind, text = public.split()[:2]
        raw = base64.b64decode(text, validate=True)
        good = kind in _KINDS and raw[4 : 4 + len(kind)] == kind.encode()
    except (ValueError, binascii.Error):
        good = False
    if not good:
        text = f"PublicKeyBody is no public key of OpenSSH ({', '.join(_KINDS)})."
        raise ApiError("InvalidPublicKeyBody.Malformed", text)
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def _put(call: Call, cloud: Cloud, public: str) -> dict[str, Any]:
    name, wanted = call.params["KeyPairName"], tags(call.params)
    if not _NAME.fullmatch(name):
        raise ApiError(
            "InvalidKeyPairName.Malformed", f"KeyPairName {name!r}: a letter, then 1 to 127 letters, digits, .:_-"
        )
    body = {
        "KeyPairId": new_id("ssh"),
        "KeyPairName": name,
        "KeyPairFingerPrint": fingerprint_of(public),
        "PublicKey": public,
        "CreationTime": cloud.clock.stamp(),
        "ResourceGroupId": call.params.get("ResourceGroupId", ""),
        "Tags": wanted,
    }
    with cloud.store.transaction():
        if cloud.store.find("key_pair", call.region, KeyPairName=name):
            raise ApiError("KeyPair.AlreadyExist", f"The key pair {name!r} exists already.")
        cloud.store.put("key_pair", str(body["KeyPairId"]), body, call.region)
    return body


def _told(body: dict[str, Any]) -> Reply:
    return {name: body[name] for name in ("KeyPairId", "KeyPairName", "KeyPairFingerPrint")}


def _view(body: dict[str, Any], with_key: bool) -> dict[str, Any]:
    shown = {name: body[name] for name in ("CreationTime", "ResourceGroupId")}
    return {**_told(body), **shown, "PublicKey": body["PublicKey"] if with_key else "", "Tags": tagging.view(body)}


def _each(call: Call, cloud: Cloud, name: str, changes: Callable[[dict[str, Any]], dict[str, str]]) -> Reply:
    ids = names(call.params, "InstanceIds")
    if not ids:
        raise missing("InstanceIds")
    if len(ids) > INSTANCES:
        raise ApiError("InvalidParameter.InstanceIds", f"At most {INSTANCES} instances in one call.")
    results = []
    for id in ids:
        try:
            body = lifecycle.find_instance(cloud, id)
            cloud.store.update("instance", id, **changes(body))
            results.append({"InstanceId": id, "Success": "true", "Code": "200", "Message": "successful"})
        except ApiError as error:
            results.append({"InstanceId": id, "Success": "false", "Code": error.code, "Message": error.message})
    failed = sum(1 for one in results if one["Success"] == "false")
    counts = {"TotalCount": str(len(ids)), "FailCount": str(failed)}
    return {"KeyPairName": name, "Results": {"Result": results}, **counts}
