"""A plan is what was said, what is deployed, and what the cloud sells; nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from garret.errors import CloudError, OperationError, SpecError
from garret.ops.capacity import candidates
from garret.ops.deployment import new_login
from garret.ops.plan import Plan, make_plan, wanted_spec
from garret.ops.plan_text import plan_lines
from garret.templates.changes import classify
from tests.ops.fake import TYPE, FakeCatalog, World, cloud_of, small_bundle

PASSWORD = "Correct-horse-7"
OTHER = "ecs.gn7i-c16g1.4xlarge"


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
    assert classify(first, again) == ()
    other = wanted_spec("local", "garret", "cn-hangzhou", {"login": "you"}, first)
    assert [str(change) for change in classify(first, other)] == ["login: me → you"]


def test_how_long_to_wait_is_no_change_of_the_cloud() -> None:
    """Patience may be said anew each time."""
    first = wanted_spec("local", "garret", "cn-hangzhou", {}, None)
    patient = wanted_spec("local", "garret", "cn-hangzhou", {"wait_timeout_s": 60}, first)
    assert [change.effect for change in classify(first, patient)] == ["free"]


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
        candidates(spec, FakeCatalog(world))
    for word in words:
        assert word in refused.value.message + refused.value.hint


def test_a_zone_that_was_said_is_taken(world: World) -> None:
    """The best stocked zone is taken, unless another that can was said."""
    catalog = FakeCatalog(world)
    assert candidates(wanted_spec("local", "garret", "cn-hangzhou", {}, None), catalog)[0].zone == "cn-hangzhou-i"
    said = wanted_spec("local", "garret", "cn-hangzhou", {"zone": "cn-hangzhou-j"}, None)
    assert candidates(said, catalog)[0].zone == "cn-hangzhou-j"


def plan_of(world: World, kind: str = "local", **said: Any) -> Plan:
    """The plan of the first place, in this world."""
    cloud = replace(cloud_of(world), kind=kind, scheme="https" if kind == "aliyun" else "http")
    spec = wanted_spec(kind, "garret", "cn-hangzhou", said, None)
    place = candidates(spec, cloud.catalog)[0]
    return make_plan(spec, place, cloud, new_login("admin", None), small_bundle(), instance_password=PASSWORD)


def test_the_plan_is_complete_and_shows_its_price(world: World) -> None:
    """Template and parameters agree, every plan has a token of its own, and a person sees what it costs."""
    plan = plan_of(world)
    template = yaml.safe_load(plan.template)
    assert set(plan.parameters) == set(template["Parameters"])
    assert plan_of(world).token != plan.token
    lines = "\n".join(plan_lines("local", plan, "a password is made"))
    for word in (TYPE, "cn-hangzhou-i (in stock)", "100 GiB", "127.0.0.0/8", "port 7860", "ECS::InstanceGroup"):
        assert word in lines
    assert "running 9.50 CNY per hour, 6935 per month" in lines
    assert "stopped 0.50 CNY per hour, 365 per month, for disk and address" in lines
    assert "account" not in lines


def test_a_plan_for_real_money_names_who_pays(world: World) -> None:
    """On Alibaba Cloud the account is asked for before anyone says yes, and the endpoint speaks TLS."""
    plan = plan_of(world, "aliyun", allow_cidr=("203.0.113.7/32",))
    lines = "\n".join(plan_lines("aliyun", plan, "a password is made"))
    for word in ("Alibaba Cloud", "account 1234567890123456", "port 443 open for 203.0.113.7/32"):
        assert word in lines
    assert "https://" in plan.template
    assert plan.prices is not None
    assert plan.prices.running.made_up is False


def test_the_plan_tells_what_a_trusted_certificate_opens(world: World) -> None:
    """Who vouches, for what, and the one port more; the node is told, and the template passes."""
    acme = {"allow_cidr": ("203.0.113.7/32",), "acme": True, "acme_agree": True}
    plan = plan_of(world, "aliyun", **acme)
    lines = "\n".join(plan_lines("aliyun", plan, "…"))
    for word in ("certificate for the address from Let's Encrypt, its terms agreed to", "port 80 open for everyone"):
        assert word in lines
    assert '"acme":true' in plan.template.replace("\\", "")
    private = plan_of(world, "local", **acme, acme_server="https://ca.example.com:9000/d", domain="a.example.com")
    assert "certificate for a.example.com from ca.example.com:9000" in "\n".join(plan_lines("local", private, "…"))
    with pytest.raises(SpecError, match="cannot reach a node on this machine"):
        wanted_spec("local", "garret", "cn-hangzhou", {"acme": True, "acme_agree": True}, None)


def test_the_plan_tells_which_models_come_from_where(world: World) -> None:
    """How much, from whom, under which licence; the node is told the same."""
    here = {"allow_cidr": ("203.0.113.7/32",)}
    plan = plan_of(world, "aliyun", **here)
    lines = "\n".join(plan_lines("aliyun", plan, "…"))
    for word in ("base 6.9 GB", "refiner 6.1 GB", "13.3 GB from ModelScope, else Hugging Face, 18 minutes", "RAIL++-M"):
        assert word in lines
    assert '"model":"sdxl","model_sources":"modelscope,huggingface"' in plan.template
    plan = plan_of(world, "aliyun", **here, refiner=False, model_source=("oss://my-models/sd",))
    assert "7.3 GB from oss://my-models," in "\n".join(plan_lines("aliyun", plan, "…"))
    assert '"model":"sdxl","model_sources":"oss://my-models/sd"' in plan.template
    assert '"refiner":false' in plan.template
    assert '"acs:oss:*:*:my-models/sd/*"' in plan.template
    plan = plan_of(world, "aliyun", **here, model="hf:me/mine/x.safetensors", model_sha256="AB" * 32)
    assert "x.safetensors from Hugging Face; SHA-256 ABABAB" in "\n".join(plan_lines("aliyun", plan, "…"))
    assert f'"model_sha256":"{"ab" * 32}"' in plan.template


def test_the_local_cloud_begins_with_the_demo_model(world: World) -> None:
    """Nothing is fetched; SDXL on a CPU comes with a warning."""
    lines = "\n".join(plan_lines("local", plan_of(world), "…"))
    assert "demo, tiny and built in" in lines
    assert "model_sources" not in plan_of(world).template
    lines = "\n".join(plan_lines("local", plan_of(world, model="sdxl"), "…"))
    assert "on this machine's CPU a picture takes minutes" in lines


def test_a_template_that_the_cloud_refuses_is_told_before_the_question(world: World) -> None:
    """In the vendor's own words, with nothing made."""
    world.refusals["ValidateTemplate"] = CloudError("ValidateTemplate", "InvalidTemplate", "no such property")
    with pytest.raises(CloudError, match="no such property"):
        plan_of(world)
    assert world.stacks == {}


def test_what_costs_more_than_the_limit_is_refused_by_how_much_and_with_what_fits(world: World) -> None:
    """Nothing is made, and spot would do."""
    with pytest.raises(SpecError, match=r"costs 9\.50 CNY per hour, 2\.50 more than the limit of 7") as refused:
        plan_of(world, max_price_per_hour=7.0)
    assert "--charge-type Spot" in refused.value.hint
    assert plan_of(world, max_price_per_hour=9.5).prices is not None


def test_a_subscription_is_priced_for_its_period_and_spread_for_the_limit(world: World) -> None:
    """Three months in advance; the hours hold what is paid beside it."""
    plan = plan_of(world, charge_type="Subscription", period=3)
    text = "\n".join(plan_lines("local", plan, "…"))
    assert "13950.00 CNY in advance for 3 months" in text
    assert plan.prices is not None
    assert plan.prices.effective == pytest.approx(9.5 + 13950 / (3 * 730))


def test_a_spot_machine_says_that_it_may_be_taken_back(world: World) -> None:
    """Cheaper for a reason."""
    assert "may take the machine back" in "\n".join(plan_lines("local", plan_of(world, charge_type="Spot"), "…"))


def test_every_option_is_in_the_plan_that_a_person_reads(world: World) -> None:
    """What was asked for is what is shown."""
    plan = plan_of(
        world, domain="pictures.example.com", resource_group="rg-1", tags={"team": "studio"}, key_pair="mine",
        autostop_min=60, zone="cn-hangzhou-i", fallback_zones=("cn-hangzhou-j",), fallback_types=(OTHER,),
    )  # fmt: skip
    text = "\n".join(plan_lines("local", plan, "…"))
    for word in (
        "pictures.example.com",
        "rg-1",
        "team=studio",
        "key pair mine",
        "after 60 minutes",
        f"cn-hangzhou-j, then {OTHER}",
    ):
        assert word in text


def test_a_network_that_exists_must_be_there_and_decides_the_zone(world: World) -> None:
    """The VSwitch's zone is the machine's; a wrong VPC is told with the right one."""
    assert plan_of(world, vpc_id="vpc-1", vswitch_id="vsw-1").place.zone == "cn-hangzhou-j"
    with pytest.raises(SpecError, match="has no VSwitch vsw-2"):
        plan_of(world, vpc_id="vpc-1", vswitch_id="vsw-2")
    with pytest.raises(SpecError, match="is in vpc-1, not in vpc-2"):
        plan_of(world, vpc_id="vpc-2", vswitch_id="vsw-1")


def test_the_node_s_password_is_told_to_the_cloud_and_not_to_the_journal(world: World) -> None:
    """A NoEcho parameter there, nothing here."""
    plan = plan_of(world, instance_password=True)
    assert plan.parameters["InstancePassword"] == PASSWORD
    assert PASSWORD not in str(plan.to_entry())


def test_places_are_tried_zone_by_zone_then_type_by_type(world: World) -> None:
    """In the order that was said; shelves that are empty are not tried."""
    world.shelves = {
        TYPE: {"cn-hangzhou-i": "WithStock", "cn-hangzhou-j": "ClosedWithStock", "cn-hangzhou-k": "WithoutStock"},
        "ecs.gn7i-c16g1.4xlarge": {"cn-hangzhou-k": "WithStock"},
    }
    said = {"fallback_types": ("ecs.gn7i-c16g1.4xlarge",)}
    spec = wanted_spec("local", "garret", "cn-hangzhou", said, None)
    assert [(str(one), one.stock) for one in candidates(spec, FakeCatalog(world))] == [
        (f"{TYPE} in cn-hangzhou-i", "in stock"),
        (f"{TYPE} in cn-hangzhou-j", "stock is low"),
        ("ecs.gn7i-c16g1.4xlarge in cn-hangzhou-k", "in stock"),
    ]
