"""How the SDKs are set up: whose keys, over which wire, and with what in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from garret.errors import CloudError
from garret.ops.aliyun.connect import connect
from garret.ops.aliyun.session import Keys, Session, on_ecs
from garret.ops.aliyun.stacks import RosStacks
from tests.ops.aliyun.conftest import KEYS
from tests.ops.aliyun.vendor import StandingClock, Vendor

ADDRESSES = {"EipAddresses": {"EipAddress": []}}


def test_a_proxy_does_not_stand_before_loopback(
    vendor: Vendor, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both SDKs obey proxy variables and no NO_PROXY; a cloud on this machine is reached all the same."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    vendor.says("ValidateTemplate", {})
    vendor.says("DescribeEipAddresses", ADDRESSES)
    session = Session("cn-hangzhou", {"ros": vendor.url, "vpc": vendor.url}, KEYS, clock)
    RosStacks(session).validate("template: 1")
    session.common("vpc", "DescribeEipAddresses", {})
    assert len(vendor.sent) == 2


def test_both_sdks_sign_with_the_keys_given(vendor: Vendor, session: Session) -> None:
    """The secret itself is in nothing that is sent."""
    vendor.says("ValidateTemplate", {})
    vendor.says("DescribeEipAddresses", ADDRESSES)
    RosStacks(session).validate("template: 1")
    session.common("vpc", "DescribeEipAddresses", {})
    typed, core = vendor.sent
    assert f"Credential={KEYS.access_key_id}," in typed.headers["authorization"]
    assert core.parameters["AccessKeyId"] == KEYS.access_key_id
    assert (core.parameters["Version"], core.parameters["RegionId"]) == ("2016-04-28", "cn-hangzhou")
    assert KEYS.access_key_secret not in repr(vendor.sent)


def test_a_temporary_key_brings_its_token(vendor: Vendor, clock: StandingClock) -> None:
    """Both SDKs send the security token beside the signature."""
    vendor.says("ValidateTemplate", {})
    vendor.says("DescribeEipAddresses", ADDRESSES)
    keys = Keys("STS.0000000000000000test", "secret", "token-of-an-hour")
    session = Session("cn-hangzhou", {"ros": vendor.url, "vpc": vendor.url}, keys, clock)
    RosStacks(session).validate("template: 1")
    session.common("vpc", "DescribeEipAddresses", {})
    assert vendor.sent[0].headers["x-acs-security-token"] == "token-of-an-hour"
    assert vendor.sent[1].parameters["SecurityToken"] == "token-of-an-hour"


CHAIN = """
import sys
from garret.errors import GarretError
from garret.ops.aliyun.session import Session
from garret.ops.aliyun.stacks import RosStacks
session = Session("cn-hangzhou", {"ros": sys.argv[1], "vpc": sys.argv[1]})
try:
    RosStacks(session).validate("template: 1")
    session.common("vpc", "DescribeEipAddresses", {})
    session.read("vpc", "DescribeEipAddresses")
except GarretError as error:
    sys.exit(f"{type(error).__name__}: {error.message} | {error.hint}")
"""


def run_chain(url: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Ask with the official credential chain, in an environment of its own: the SDK reads it while it is imported."""
    return subprocess.run(
        [sys.executable, "-c", CHAIN, url],
        env={"HOME": str(home), "PATH": os.environ["PATH"], "http_proxy": "http://127.0.0.1:9", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def in_environment(key: str, _home: Path) -> dict[str, str]:
    """Keys where most scripts have them."""
    return {"ALIBABA_CLOUD_ACCESS_KEY_ID": key, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s"}


def in_profile(key: str, home: Path) -> dict[str, str]:
    """Keys where the vendor's command line leaves them."""
    profile = {"name": "default", "mode": "AK", "access_key_id": key, "access_key_secret": "s"}
    (home / ".aliyun").mkdir()
    (home / ".aliyun" / "config.json").write_text(json.dumps({"current": "default", "profiles": [profile]}))
    return {}


@pytest.mark.parametrize("put", [in_environment, in_profile])
def test_without_keys_the_official_chain_is_asked(
    vendor: Vendor, tmp_path: Path, put: Callable[[str, Path], dict[str, str]]
) -> None:
    """Keys are found where the vendor's own code looks for them, for both SDKs and for what we sign ourselves."""
    vendor.says("ValidateTemplate", {})
    vendor.says("DescribeEipAddresses", ADDRESSES)
    key = "LTAI0000000000000someones"
    done = run_chain(vendor.url, tmp_path, **put(key, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    typed, core, read = vendor.sent
    assert key in typed.headers["authorization"]
    assert core.parameters["AccessKeyId"] == key
    assert f"Credential={key}," in read.headers["authorization"]


def test_an_empty_chain_is_told_in_one_line(vendor: Vendor, tmp_path: Path) -> None:
    """Without any credentials nothing is sent, and a person reads what to set instead of the SDK's tracebacks."""
    started = time.monotonic()
    done = run_chain(vendor.url, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("SettingsError: no credentials")
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert vendor.sent == []
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(("text", "ours"), [("Alibaba Cloud\n", True), ("QEMU\n", False), (None, False)])
def test_an_instance_of_the_cloud_knows_itself(tmp_path: Path, text: str | None, ours: bool) -> None:
    """Only there is the metadata service asked for a role."""
    vendor_file = tmp_path / "sys_vendor"
    if text is not None:
        vendor_file.write_text(text)
    assert on_ecs(vendor_file) is ours


def test_an_https_endpoint_is_spoken_to_in_tls(vendor: Vendor, clock: StandingClock) -> None:
    """Neither SDK falls back to plain http: the vendor's core SDK would by itself."""
    secured = vendor.url.replace("http:", "https:")
    session = Session("cn-hangzhou", {"ros": secured, "vpc": secured}, KEYS, clock)
    for ask in (
        lambda: RosStacks(session).validate("template: 1"),
        lambda: session.common("vpc", "DescribeEipAddresses", {}),
    ):
        with pytest.raises(CloudError):
            ask()
    assert vendor.sent == []


def test_keys_are_in_no_text() -> None:
    """A log that shows a session shows no secret."""
    shown = repr(Session("cn-hangzhou", keys=Keys("LTAI0", "a-very-secret-secret", "a-token")))
    assert "a-very-secret-secret" not in shown
    assert "a-token" not in shown


def test_to_connect_sends_nothing_and_loads_no_sdk() -> None:
    """The SDKs take half a second to import: they wait for the first call."""
    program = (
        "import sys; from garret.ops.aliyun.connect import connect; connect('aliyun', 'cn-hangzhou', {}); "
        "sys.exit(any(name.startswith(('alibabacloud', 'Tea', 'aliyunsdkcore', 'darabonba')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_only_the_local_cloud_has_made_up_prices() -> None:
    """The mark comes from the kind of cloud, and a price that is not known is none."""
    local = connect("local", "cn-hangzhou", {}, KEYS)
    price = local.price((1.23456, "CNY"))
    assert price is not None
    assert price.to_dict() == {"amount": 1.2346, "currency": "CNY", "made_up": True}
    assert local.price(None) is None
    assert connect("aliyun", "cn-hangzhou", {}, KEYS).made_up is False
