"""A spec is strict: each wrong field is refused with its name, the reason, and what to type next."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from garret.errors import SpecError
from garret.spec import PASSWORD_SPECIALS, DeploymentSpec, check_password, parse_spec
from tests.spec.authority import AUTHORITY

LEAST = {"region": "cn-hangzhou"}


def test_a_region_is_all_that_has_to_be_said() -> None:
    """Everything else has a default that works."""
    spec = parse_spec(LEAST)
    assert (spec.name, spec.stack_name, spec.instance_type) == ("garret", "garret-garret", "ecs.gn7i-c8g1.2xlarge")
    assert (spec.service_port, spec.disk_size_gib, spec.bandwidth_mbps, spec.public) == (443, 100, 100, False)
    assert spec.ingress_cidrs == ()
    assert spec.autostop_min == 60


@pytest.mark.parametrize(
    ("said", "minutes"),
    [({}, 60), ({"charge_type": "Spot"}, 60), ({"charge_type": "Subscription"}, 0), ({"autostop_min": None}, 0)],
)
def test_autostop_is_on_where_hours_are_paid_for(said: dict[str, Any], minutes: int) -> None:
    """Unless somebody says otherwise; a journal from before this default said off by nothing."""
    assert parse_spec(LEAST | said).autostop_min == minutes


ACME = {"acme": True, "acme_agree": True}
SERVER = "https://ca.example.com:9000/acme/acme/directory"


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"region": None}, "region", "string"),
    ({"region": "hangzhou"}, "region", "'hangzhou' is not a valid region"),
    ({"region": "cn-hangzhou; rm -rf /"}, "region", "not a valid region"),
    ({"name": "My-Pictures"}, "name", "'My-Pictures' is not a valid name"),
    ({"name": ""}, "name", "not a valid name"),
    ({"name": "a" * 41}, "name", "not a valid name"),
    ({"name": "garret\n"}, "name", "not a valid name"),
    ({"zone": "cn-beijing-k"}, "zone", "not a zone of region cn-hangzhou"),
    ({"instance_type": "ecs.g7.large"}, "instance_type", "not a gn7i type"),
    ({"instance_type": "ecs.gn7i-c16g1"}, "instance_type", "not a gn7i type"),
    ({"disk_size_gib": 99}, "disk_size_gib", "greater than or equal to 100"),
    ({"disk_size_gib": 32769}, "disk_size_gib", "less than or equal to 32768"),
    ({"disk_size_gib": "100"}, "disk_size_gib", "valid integer"),
    ({"disk_size_gib": 100.5}, "disk_size_gib", "valid integer"),
    ({"disk_category": "cloud_efficiency"}, "disk_category", "cloud_essd"),
    ({"bandwidth_mbps": 0}, "bandwidth_mbps", "greater than or equal to 1"),
    ({"bandwidth_mbps": 201}, "bandwidth_mbps", "less than or equal to 200"),
    ({"service_port": 0}, "service_port", "greater than or equal to 1"),
    ({"service_port": 65536}, "service_port", "less than or equal to 65535"),
    ({"service_port": 22}, "service_port", "remote login"),
    ({"vpc_cidr": "8.8.0.0/16"}, "vpc_cidr", "not in a private range"),
    ({"vpc_cidr": "10.0.0.0/7"}, "vpc_cidr", "has bits set|between /8 and /28"),
    ({"vpc_cidr": "words"}, "vpc_cidr", "not an IPv4 range"),
    ({"vpc_cidr": "::/0"}, "vpc_cidr", "not an IPv4 range"),
    ({"vswitch_cidr": "192.168.1.1/24"}, "vswitch_cidr", r"192\.168\.1\.0/24 is meant"),
    ({"vswitch_cidr": "10.0.0.0/24"}, "vswitch_cidr", r"not inside vpc_cidr 192\.168\.0\.0/16"),
    ({"autostop_min": 4}, "autostop_min", "4 minutes are too few"),
    ({"autostop_min": 10_081}, "autostop_min", "less than or equal to 10080"),
    ({"autostop_min": 60, "charge_type": "Subscription"}, "autostop_min", "paid for whether it runs or not"),
    ({"allow_cidr": ["0.0.0.0/0"]}, "allow_cidr", "the whole internet"),
    ({"allow_cidr": ["0.0.0.0/1", "128.0.0.0/1"]}, "allow_cidr", r"0\.0\.0\.0/0 is the whole internet"),
    ({"allow_cidr": ["64.0.0.0/3"]}, "allow_cidr", "a good part of the internet"),
    ({"allow_cidr": ["203.0.113.7/33"]}, "allow_cidr.0", "not an IPv4 range"),
    ({"allow_cidr": ["203.0.113.7/32", "x"]}, "allow_cidr.1", "not an IPv4 range"),
    ({"allow_cidr": "203.0.113.7/32"}, "allow_cidr", "valid tuple"),
    ({"public": "yes"}, "public", "valid boolean"),
    ({"login": "a:b"}, "login", "not a valid login"),
    ({"model": "sd15"}, "model", "'sd15' is not known"),
    ({"model": "http://files.example/x.safetensors"}, "model", "is not known"),
    ({"model": "https://files.example/x.ckpt"}, "model", r"does not end in \.safetensors"),
    ({"model": "https://files.example/x.safetensors?Signature=abc"}, "model", "may be a key"),
    ({"model_sha256": "ab"}, "model_sha256", "not a valid model_sha256"),
    ({"model_sha256": "ab" * 32}, "model_sha256", "the hashes of sdxl are known"),
    ({"model_source": ["gopher"]}, "model_source.0", "is no source"),
    ({"model": "demo", "model_source": ["modelscope"]}, "model_source", "demo comes with garret"),
    ({"model": "hf:a/b/c.safetensors", "model_source": ["modelscope"]}, "model_source", "says itself where it is"),
    ({"model_source": ["https://f.example/" + "a" * 200] * 2}, "model_source", "436 characters in all"),
    ({"refiner": "yes"}, "refiner", "valid boolean"),
    ({"bandwidth_mbps": 1}, "wait_timeout_s", r"13\.3 GB of sdxl take 178 minutes at 10 Mbit/s"),
    ({"wait_timeout_s": 600}, "wait_timeout_s", "take 18 minutes at 100 Mbit/s"),
    ({"acme": True}, "acme_agree", "does not agree to its terms"),
    ({"acme_agree": True}, "acme_agree", "say --acme as well"),
    ({"acme_email": "a@example.com"}, "acme_email", "say --acme as well"),
    ({"acme_server": SERVER}, "acme_server", "say --acme as well"),
    ({"acme_ca": AUTHORITY}, "acme_ca", "say --acme as well"),
    (ACME | {"acme_ca": AUTHORITY}, "acme_ca", "say which server"),
    (ACME | {"service_port": 80}, "service_port", "80 is where the authority looks"),
    (ACME | {"domain": "pictures.local"}, "domain", r"a name that ends with \.local"),
    (ACME | {"acme_email": "studio"}, "acme_email", "not a valid acme_email"),
    (ACME | {"acme_email": "-x@example.com -d y"}, "acme_email", "not a valid acme_email"),
    (ACME | {"acme_server": "http://ca.example.com/"}, "acme_server", "not a valid acme_server"),
    (ACME | {"acme_server": "https://u:p@ca.example.com/"}, "acme_server", "not a valid acme_server"),
    (ACME | {"acme_server": SERVER, "acme_ca": "words"}, "acme_ca", "holds no certificate in PEM"),
    (ACME | {"acme_server": SERVER, "acme_ca": AUTHORITY.replace("MII", "AAA")}, "acme_ca", "cannot be read"),
    (ACME | {"acme_server": SERVER, "acme_ca": AUTHORITY + "PRIVATE KEY"}, "acme_ca", "holds a private key"),
    ({"image_id": "m-1 x"}, "image_id", "not a valid image_id"),
    ({"wait_timeout_s": 43201}, "wait_timeout_s", "less than or equal to 43200"),
    ({"regoin": "cn-hangzhou"}, "regoin", "is not a field of a deployment"),
]


@pytest.mark.parametrize(("changes", "field", "reason"), WRONG, ids=[str(changes) for changes, _, _ in WRONG])
def test_a_wrong_field_is_named_with_reason_and_next_step(changes: dict[str, Any], field: str, reason: str) -> None:
    """No traceback, no guess."""
    with pytest.raises(SpecError, match=reason) as caught:
        parse_spec({**LEAST, **changes})
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field}: ")
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_a_missing_region_says_what_to_type() -> None:
    """The most common first mistake."""
    with pytest.raises(SpecError) as caught:
        parse_spec({})
    assert (caught.value.message, caught.value.hint) == ("region: is missing", "for example --region cn-hangzhou")


def test_a_single_address_is_its_own_range() -> None:
    """`--allow-cidr 203.0.113.7` is what people type."""
    assert parse_spec({**LEAST, "allow_cidr": ["203.0.113.7"]}).allow_cidr == ("203.0.113.7/32",)


def test_the_whole_internet_needs_two_words() -> None:
    """With `public` it is allowed, and is the default range."""
    assert parse_spec({**LEAST, "public": True}).ingress_cidrs == ("0.0.0.0/0",)
    assert parse_spec({**LEAST, "public": True, "allow_cidr": ["0.0.0.0/0"]}).ingress_cidrs == ("0.0.0.0/0",)
    assert parse_spec({**LEAST, "public": True, "allow_cidr": ["10.0.0.0/8"]}).ingress_cidrs == ("10.0.0.0/8",)


def test_zones_are_named_both_ways() -> None:
    """Newer regions have no dash before the zone's letter."""
    assert parse_spec({"region": "ap-southeast-1", "zone": "ap-southeast-1a"}).zone == "ap-southeast-1a"
    assert parse_spec({"region": "cn-hangzhou", "zone": "cn-hangzhou-k"}).zone == "cn-hangzhou-k"


def test_a_spec_cannot_be_changed() -> None:
    """What was shown is what is made."""
    spec = parse_spec(LEAST)
    with pytest.raises(ValidationError):
        spec.name = "other"  # type: ignore[misc]


def test_a_spec_survives_json() -> None:
    """The journal keeps it as JSON."""
    spec = parse_spec({**LEAST, "allow_cidr": ["203.0.113.7/32"], "zone": "cn-hangzhou-k"})
    assert parse_spec(spec.model_dump(mode="json")) == spec
    assert DeploymentSpec.model_validate_json(spec.model_dump_json()) == spec


VALUES = st.none() | st.integers() | st.text() | st.booleans() | st.lists(st.text() | st.integers(), max_size=2)
FIELDS = st.sampled_from([*DeploymentSpec.model_fields, "other"])


@given(st.dictionaries(FIELDS, VALUES))
def test_whatever_comes_in_a_spec_or_a_spec_error_comes_out(values: dict[str, Any]) -> None:
    """Never another exception, and never a refusal without a next step."""
    hint = "none needed"
    try:
        parse_spec({**LEAST, **values})
    except SpecError as refused:
        hint = refused.hint
    assert hint


@pytest.mark.parametrize(
    "password", ["Abcdefg1", "abc-1234", "ABC-1234", "Aa1" + "x" * 27, "a1" + PASSWORD_SPECIALS[:28]]
)
def test_a_password_by_the_rule_passes(password: str) -> None:
    """8 to 30 characters of three classes."""
    assert check_password(password) == password


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("Abcde1-", "has 7 characters"),
        ("Aa1-" * 8, "has 32 characters"),
        ("abcdefgh", "uses 1 of the four kinds"),
        ("abcdefg1", "uses 2 of the four kinds"),
        ('Abcdef1"', "contains a character that the cloud does not take"),
        ("Abcdef1\\", "contains a character"),
        ("Abcdef 1", "contains a character"),
        ("Abcdef1é", "contains a character"),
        ("Abcdef1\n", "contains a character"),
    ],
)
def test_a_password_against_the_rule_is_refused_and_not_shown(password: str, reason: str) -> None:
    """The error says which part of the rule is broken."""
    with pytest.raises(SpecError, match=reason) as caught:
        check_password(password)
    assert password not in caught.value.message + caught.value.hint
    assert caught.value.field == "password"


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"domain": "pictures.example.com", "acme_email": "studio@example.com", "service_port": 8443},
        {"acme_server": SERVER, "domain": "pictures.studio.internal"},
        {"acme_server": SERVER, "acme_ca": f"subject=somebody\n{AUTHORITY}\n{AUTHORITY}"},
    ],
)
def test_a_trusted_certificate_may_be_asked_for(wish: dict[str, Any]) -> None:
    """For a name or for the address, of Let's Encrypt or of an authority of one's own, on any port but 80."""
    spec = parse_spec(LEAST | ACME | wish)
    assert spec.acme
    assert (spec.acme_ca or "") in ("", AUTHORITY * 2)
