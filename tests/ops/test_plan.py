"""A plan is what was said, what is deployed, and what the cloud sells; nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from garret.errors import CloudError, OperationError, SpecError, UsageError
from garret.ops.deployment import new_login
from garret.ops.plan import differences, find_place, make_plan, plan_lines, refuse_differences, wanted_spec
from tests.ops.fake import TYPE, FakeCatalog, World, cloud_of, small_bundle


def test_the_local_cloud_has_its_own_defaults() -> None:
    """On this machine the port needs no root, and only this machine gets in."""
    spec = wanted_spec("local", "garret", "cn-hangzhou", {}, None)
    assert (spec.service_port, spec.allow_cidr) == (7860, ("127.0.0.0/8",))


def test_on_the_real_cloud_somebody_must_say_who_gets_in() -> None:
    """Neither everybody nor nobody is a default."""
    with pytest.raises(SpecError, match="allow_cidr") as refused:
        wanted_spec("aliyun", "garret", "cn-hangzhou", {}, None)
    assert "--public" in refused.value.hint
    spec = wanted_spec("aliyun", "garret", "cn-hangzhou", {"allow_cidr": ("203.0.113.7/32",)}, None)
    assert spec.service_port == 443
    assert wanted_spec("aliyun", "garret", "cn-hangzhou", {"public": True}, None).ingress_cidrs == ("0.0.0.0/0",)


def test_what_is_not_said_stays_as_it_is() -> None:
    """Typing deploy again without flags means the deployment as it is."""
    first = wanted_spec("local", "garret", "cn-hangzhou", {"service_port": 7999, "login": "me"}, None)
    again = wanted_spec("local", "garret", "cn-hangzhou", {}, first)
    assert differences(first, again) == []
    refuse_differences(first, again)
    other = wanted_spec("local", "garret", "cn-hangzhou", {"login": "you"}, first)
    assert differences(first, other) == ["login: me is deployed, you was asked for"]
    with pytest.raises(UsageError, match="login"):
        refuse_differences(first, other)


def test_how_long_to_wait_is_no_difference() -> None:
    """Patience may be said anew each time."""
    first = wanted_spec("local", "garret", "cn-hangzhou", {}, None)
    assert differences(first, wanted_spec("local", "garret", "cn-hangzhou", {"wait_timeout_s": 60}, first)) == []


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ({"instance_type": "ecs.gn7i-c9g1.2xlarge"}, SpecError, ("does not sell", TYPE)),
        ({"instance_type": "ecs.gn7i-c16g1.4xlarge"}, OperationError, ("no ecs.gn7i-c16g1.4xlarge in stock", TYPE)),
        ({"zone": "cn-hangzhou-z"}, SpecError, ("cn-hangzhou-i", "cn-hangzhou-j")),
    ],
)
def test_what_is_not_sold_is_refused_with_what_is(
    world: World, said: dict[str, Any], error: type[OperationError], words: tuple[str, ...]
) -> None:
    """Type and zone are checked against the catalogue, and the answer names what there is."""
    spec = wanted_spec("local", "garret", "cn-hangzhou", said, None)
    with pytest.raises(error) as refused:
        find_place(spec, FakeCatalog(world))
    for word in words:
        assert word in refused.value.message + refused.value.hint


def test_a_zone_that_was_said_is_taken(world: World) -> None:
    """The best stocked zone is taken, unless another that can was said."""
    catalog = FakeCatalog(world)
    assert find_place(wanted_spec("local", "garret", "cn-hangzhou", {}, None), catalog).zone == "cn-hangzhou-i"
    said = wanted_spec("local", "garret", "cn-hangzhou", {"zone": "cn-hangzhou-j"}, None)
    assert find_place(said, catalog).zone == "cn-hangzhou-j"


def test_the_plan_is_complete_and_shows_its_price(world: World) -> None:
    """Template and parameters agree, every plan has a token of its own, and a person sees what it costs."""
    spec = wanted_spec("local", "garret", "cn-hangzhou", {}, None)
    login = new_login("admin", None)
    plan = make_plan(spec, cloud_of(world), login, small_bundle())
    template = yaml.safe_load(plan.template)
    assert set(plan.parameters) == set(template["Parameters"])
    assert make_plan(spec, cloud_of(world), login, small_bundle()).token != plan.token
    assert plan.price is not None
    lines = "\n".join(plan_lines("local", spec, plan.place, "9.50 CNY per hour", "a password is made"))
    for word in (TYPE, "cn-hangzhou-i", "100 GiB", "9.50 CNY", "127.0.0.0/8", "port 7860"):
        assert word in lines
    assert "account" not in lines


def test_a_plan_for_real_money_names_who_pays(world: World) -> None:
    """On Alibaba Cloud the account is asked for before anyone says yes, and the endpoint speaks TLS."""
    spec = wanted_spec("aliyun", "garret", "cn-hangzhou", {"allow_cidr": ("203.0.113.7/32",)}, None)
    plan = make_plan(spec, replace(cloud_of(world), kind="aliyun"), new_login("admin", None), small_bundle())
    lines = "\n".join(plan_lines("aliyun", spec, plan.place, "9.50 CNY per hour", "a password is made"))
    for word in ("Alibaba Cloud", "paid by account 1234567890123456", "port 443 open for 203.0.113.7/32"):
        assert word in lines
    assert "https://" in plan.template
    assert plan.price is not None
    assert plan.price.made_up is False


def test_a_template_that_the_cloud_refuses_is_told_before_the_question(world: World) -> None:
    """In the vendor's own words, with nothing made."""
    world.refusals["ValidateTemplate"] = CloudError("ValidateTemplate", "InvalidTemplate", "no such property")
    spec = wanted_spec("local", "garret", "cn-hangzhou", {}, None)
    with pytest.raises(CloudError, match="no such property"):
        make_plan(spec, cloud_of(world), new_login("admin", None), small_bundle())
    assert world.stacks == {}
