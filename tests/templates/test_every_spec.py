"""Any spec that is accepted renders a template that passes; any that is refused names the field."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from garret.errors import SpecError
from garret.local_cloud.ros.plan import check_template as cloud_checks
from garret.local_cloud.ros.template import parse_template
from garret.spec import FIELDS, DeploymentSpec, parse_spec
from garret.templates.checks import check_template
from garret.templates.render import parameters, render_template
from tests.spec.authority import AUTHORITY
from tests.templates.test_render import USER_DATA, validator_errors

ODD = st.sampled_from(
    ["", "'", '"', "a\nb", "${x}", "{{ x }}", "{% raw %}", "!Ref x", "*a", "\u2028", "é 中文", "a: b"]
)
TEXT = st.text(max_size=20) | ODD
TYPES = st.sampled_from(["ecs.gn7i-c8g1.2xlarge", "ecs.gn7i-c16g1.4xlarge", "ecs.gn7i-2x.8xlarge", "ecs.g7.large"])
RANGES = st.sampled_from(["10.0.0.0/8", "192.168.0.0/16", "192.168.1.0/24", "172.16.5.0/25", "8.8.8.0/24", "x"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True) | TEXT,
    "zone": st.sampled_from(["cn-hangzhou-i", "cn-beijing-a"]) | st.none(),
    "instance_type": TYPES,
    "charge_type": st.sampled_from(["PayAsYouGo", "Subscription", "Spot", "Free"]),
    "period": st.integers(-1, 61) | st.none(),
    "period_unit": st.sampled_from(["Month", "Year", "Week"]),
    "spot_price_limit": st.floats(-1, 1e6) | st.none() | st.just(float("nan")),
    "image_id": st.from_regex(r"m-[a-z0-9]{1,20}", fullmatch=True) | TEXT,
    "disk_category": st.sampled_from(["cloud_essd", "cloud_auto", "cloud"]),
    "disk_size_gib": st.integers(90, 40_000),
    "vpc_id": st.just("vpc-bp1") | st.none() | TEXT,
    "vswitch_id": st.just("vsw-bp1") | st.none() | TEXT,
    "vpc_cidr": RANGES,
    "vswitch_cidr": RANGES,
    "bandwidth_mbps": st.integers(0, 201),
    "service_port": st.integers(-1, 65_537),
    "allow_cidr": st.lists(RANGES | st.just("0.0.0.0/0"), max_size=3),
    "public": st.booleans(),
    "domain": st.just("pictures.example.com") | TEXT,
    "acme": st.booleans(),
    "acme_agree": st.booleans(),
    "acme_email": st.just("studio@example.com") | st.none() | TEXT,
    "acme_server": st.just("https://ca.example.com:9000/acme/directory") | st.none() | TEXT,
    "acme_ca": st.just(AUTHORITY) | st.none() | TEXT,
    "login": st.just("studio") | TEXT,
    "key_pair": st.just("studio") | st.none() | TEXT,
    "instance_password": st.booleans(),
    "resource_group": st.just("rg-acfm1") | st.none() | TEXT,
    "tags": st.dictionaries(TEXT, TEXT, max_size=3),
    "fallback_types": st.lists(TYPES, max_size=2),
    "fallback_zones": st.lists(st.sampled_from(["cn-hangzhou-j", "cn-beijing-a"]), max_size=2),
    "fallback_regions": st.lists(st.sampled_from(["cn-shanghai", "moon"]), max_size=2),
    "max_price_per_hour": st.floats(-1, 100) | st.none() | st.just(float("inf")),
    "autostop_min": st.integers(0, 20_000),
    "model": st.sampled_from(["sdxl", "demo", "sd15", "hf:a/b/c.safetensors", "oss://mine/a/x.safetensors"]),
    "model_sha256": st.sampled_from(["ab" * 32, "ab"]) | st.none(),
    "model_source": st.lists(st.sampled_from(["modelscope", "oss://mine/sd", "ftp://x"]), max_size=2),
    "refiner": st.booleans(),
    "wait_timeout_s": st.integers(0, 50_000),
}
WISHES = st.fixed_dictionaries({"region": st.just("cn-hangzhou")}, optional=VALUES)
"""What may be said, right and wrong; each field also left out."""


def good_values(name: str) -> st.SearchStrategy[Any]:
    """Values that the field alone accepts."""

    def accepted(value: Any) -> bool:
        try:
            parse_spec({"region": "cn-hangzhou", name: value})
        except SpecError as error:
            return error.field.partition(".")[0] != name
        return True

    return VALUES[name].filter(accepted)


GOOD = st.fixed_dictionaries(
    {"region": st.just("cn-hangzhou")},
    optional={name: good_values(name) for name in VALUES if name not in ("vpc_cidr", "vswitch_cidr")},
)


def test_every_field_is_tried() -> None:
    """A new field gets its values above."""
    assert set(VALUES) | {"region"} == set(DeploymentSpec.model_fields)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wish=WISHES)
def test_a_refused_spec_names_its_field_and_an_accepted_one_passes(wish: dict[str, Any]) -> None:
    """Garret's own checks, and the local cloud's."""
    judge(wish)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(wish=GOOD)
def test_fields_that_are_good_alone_agree_or_say_which_does_not(wish: dict[str, Any]) -> None:
    """More of these are accepted."""
    judge(wish)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(wish=GOOD)
def test_the_official_validator_has_nothing_against_an_accepted_spec(wish: dict[str, Any]) -> None:
    """Neither an error nor a warning."""
    text = judge(wish)
    if text is not None:
        assert validator_errors(text) == []


def judge(wish: dict[str, Any]) -> str | None:
    """The template of a wish, which passes; or None, when it was refused as it should be."""
    spec, refused = parsed(wish)
    if refused is not None:
        assert refused.field.partition(".")[0] in FIELDS
        assert refused.message.startswith(refused.field)
        return None
    assert spec is not None
    text = render_template(spec, USER_DATA)
    assert check_template(text, public=spec.public, acme=spec.acme) == []
    template = parse_template(text)
    cloud_checks(template)
    assert set(parameters(spec, "cn-hangzhou-i", "m-1", instance_password="Correct-horse-7")) <= set(
        template.parameters
    )
    return text


def parsed(wish: dict[str, Any]) -> tuple[DeploymentSpec | None, SpecError | None]:
    """The spec, or why there is none."""
    try:
        return parse_spec(wish), None
    except SpecError as error:
        return None, error
