"""Rendering is pure and deterministic, keeps its structure under any value, and pleases the vendor's own validator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from garret.image_bootstrap.node_config import NodeConfig
from garret.image_bootstrap.user_data import SIGNAL_PLACEHOLDER, build_user_data
from garret.spec import DeploymentSpec, parse_spec
from garret.templates import render
from garret.templates.catalog import TEMPLATES
from garret.templates.checks import check_template
from garret.templates.render import block_yaml, parameters, quote_yaml, render_template
from tests.templates.resource_facts import contradictions

# GARRET_UPDATE_GOLDEN=1 python -m pytest tests/templates writes the golden file anew; read its diff before you keep it.
UPDATE = os.environ.get("GARRET_UPDATE_GOLDEN") == "1"
GOLDEN = Path(__file__).parent / "golden"
USER_DATA = "#cloud-config\nwrite_files:\n- path: /var/lib/garret/signal\n  content: |\n    @@GARRET_SIGNAL@@\n"

ORDINARY = parse_spec(
    {"region": "cn-hangzhou", "name": "pictures", "allow_cidr": ["203.0.113.7/32", "198.51.100.0/24"]}
)
SPECS = {
    "ordinary": ORDINARY,
    "asks who may come in": parse_spec({"region": "ap-southeast-1"}),
    "public": parse_spec({"region": "cn-shanghai", "public": True, "service_port": 7860}),
    "all set": parse_spec(
        {
            "region": "cn-hangzhou", "zone": "cn-hangzhou-k", "image_id": "m-bp1", "disk_size_gib": 500,
            "disk_category": "cloud_auto", "bandwidth_mbps": 200, "wait_timeout_s": 43200, "allow_cidr": ["10.0.0.0/8"],
        }
    ),
    "existing network": parse_spec(
        {"region": "cn-hangzhou", "vpc_id": "vpc-bp1", "vswitch_id": "vsw-bp1", "allow_cidr": ["203.0.113.7/32"]}
    ),
    "subscription": parse_spec({"region": "cn-hangzhou", "charge_type": "Subscription", "period": 3, "public": True}),
    "spot": parse_spec({"region": "cn-hangzhou", "charge_type": "Spot", "public": True}),
    "spot with a limit": parse_spec(
        {"region": "cn-hangzhou", "charge_type": "Spot", "spot_price_limit": 4.5, "public": True}
    ),
    "key pair": parse_spec({"region": "cn-hangzhou", "key_pair": "studio", "public": True}),
    "password": parse_spec({"region": "cn-hangzhou", "instance_password": True, "public": True}),
    "domain, tags and autostop": parse_spec(
        {"region": "cn-hangzhou", "domain": "pictures.example.com", "tags": {"team": "studio: 1"}, "autostop_min": 60,
         "resource_group": "rg-acfm1", "allow_cidr": ["203.0.113.7/32"]}
    ),
    "no autostop": parse_spec({"region": "cn-hangzhou", "public": True, "autostop_min": 0}),
    "acme": parse_spec(
        {"region": "cn-hangzhou", "domain": "pictures.example.com", "acme": True, "acme_agree": True,
         "allow_cidr": ["203.0.113.7/32"]}
    ),
}  # fmt: skip


def real_user_data() -> str:
    """What deploy puts in, with hashes of the usual length."""
    return build_user_data(
        NodeConfig(
            deployment="pictures", region="cn-hangzhou", cloud="aliyun", bundle_sha256="0" * 64, bundle_size=60_000,
            service_port=443, login="admin", password_hash="scrypt$16384$8$5$" + "s" * 22 + "$" + "d" * 43,
            token_hash="sha256$" + "0" * 64,
        )
    )  # fmt: skip


def validator_errors(text: str) -> list[str]:
    """What the official offline ROS validator calls an error or a warning."""
    from iac_code.tools.cloud.aliyun.ros_validation import validate_ros_template
    from iac_code.tools.cloud.aliyun.ros_validation.model import MaterializedTemplateSource, RequestValidationContext

    report = validate_ros_template(
        MaterializedTemplateSource(text), RequestValidationContext(action="ValidateTemplate")
    )
    assert not report.analysis_incomplete
    return [
        f"{item.code} {item.summary} {item.detail}"
        for item in report.diagnostics
        if item.severity.value in ("ERROR", "WARNING")
    ]


@pytest.mark.parametrize("name", SPECS)
def test_the_text_is_the_golden_one(name: str) -> None:
    """Whoever changes what is created sees it in a diff, for each set of options."""
    text, golden = render_template(SPECS[name], USER_DATA), GOLDEN / f"{name.replace(' ', '-').replace(',', '')}.yaml"
    if UPDATE:
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_official_validator_finds_nothing(spec: DeploymentSpec) -> None:
    """No error and no warning, with the real user-data inside."""
    assert validator_errors(render_template(spec, real_user_data())) == []


def test_the_official_validator_would_find_something() -> None:
    """It is alive: a Ref to nothing is an error."""
    text = render_template(ORDINARY, USER_DATA).replace("Ref: Subnet", "Ref: Nowhere")
    assert any("Nowhere" in error for error in validator_errors(text))


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_resources_agree_with_the_facts_about_their_types(spec: DeploymentSpec) -> None:
    """Properties, values, ranges and attributes as the vendor's own validators have them."""
    assert contradictions(yaml.safe_load(render_template(spec, USER_DATA))) == []


def test_the_facts_would_find_something() -> None:
    """They are alive: a wrong property, a wrong value, a missing property and a wrong attribute are seen."""
    template = yaml.safe_load(render_template(ORDINARY, USER_DATA))
    node, address = template["Resources"]["Node"]["Properties"], template["Resources"]["Address"]["Properties"]
    node["DiskCategory"] = "cloud_essd"
    address["InternetChargeType"] = "PayByMoon"
    del node["MaxAmount"]
    template["Outputs"]["PublicIp"]["Value"]["Fn::GetAtt"][1] = "Address"
    assert len(contradictions(template)) == 4


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_our_own_checks_find_nothing(spec: DeploymentSpec) -> None:
    """Every template we can render passes every check."""
    assert check_template(render_template(spec, real_user_data()), public=spec.public, acme=spec.acme) == []


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_parameters_are_those_of_the_template(spec: DeploymentSpec) -> None:
    """CreateStack passes each parameter, and none that the template lacks; AllowCidr is the console's own question."""
    template = yaml.safe_load(render_template(spec, USER_DATA))
    passed = parameters(spec, "cn-hangzhou-k", "m-1")
    assert set(template["Parameters"]) - set(passed) == (set() if spec.ingress_cidrs else {"AllowCidr"})
    assert set(passed) <= set(template["Parameters"])
    assert all(isinstance(value, str) for value in passed.values())
    assert passed["ZoneId"] == "cn-hangzhou-k"
    assert passed["SystemDiskSize"] == str(spec.disk_size_gib)


def test_parameters_and_outputs_speak_two_languages() -> None:
    """The console shows English and Chinese."""
    template = yaml.safe_load(render_template(SPECS["asks who may come in"], USER_DATA))
    for body in [*template["Parameters"].values(), *template["Outputs"].values()]:
        for key in ("Label", "Description"):
            assert set(body[key]) == {"en", "zh-cn"}
            assert all(body[key].values())
    assert set(template["Description"]) == {"en", "zh-cn"}


def test_the_user_data_arrives_unchanged_with_the_signal_to_fill_in() -> None:
    """ROS puts the handle's command where the placeholder is, and leaves the rest alone."""
    text = real_user_data()
    replace = yaml.safe_load(render_template(ORDINARY, text))["Resources"]["Node"]["Properties"]["UserData"][
        "Fn::Replace"
    ]
    assert replace == [{SIGNAL_PLACEHOLDER: {"Fn::GetAtt": ["ReadyHandle", "CurlCli"]}}, text]
    assert render.SIGNAL_PLACEHOLDER == SIGNAL_PLACEHOLDER


def test_each_named_range_gets_a_rule_for_the_service_port_only() -> None:
    """Two ranges, two rules, one port."""
    rules = yaml.safe_load(render_template(ORDINARY, USER_DATA))["Resources"]["Firewall"]["Properties"]
    found = [(rule["SourceCidrIp"], rule["PortRange"], rule["IpProtocol"]) for rule in rules["SecurityGroupIngress"]]
    assert found == [("203.0.113.7/32", "443/443", "tcp"), ("198.51.100.0/24", "443/443", "tcp")]


@pytest.mark.parametrize(
    ("scheme", "port", "wanted"),
    [("https", 443, ["https://", ""]), ("https", 8443, ["https://", ":8443"]), ("http", 7860, ["http://", ":7860"])],
)
def test_the_endpoint_names_its_port_unless_it_is_the_usual_one(scheme: str, port: int, wanted: list[str]) -> None:
    """A person can open it as it is."""
    spec = parse_spec({"region": "cn-hangzhou", "service_port": port})
    parts = yaml.safe_load(render_template(spec, USER_DATA, scheme=scheme))["Outputs"]["EndPoint"]["Value"]["Fn::Join"][
        1
    ]
    assert [parts[0], parts[2]] == wanted


PURE = """
import sys
def watch(event, arguments):
    writes = event == "open" and arguments[1] and set(arguments[1]) & set("wax+")
    if event.split(".")[0] in ("socket", "subprocess") or writes:
        raise SystemExit(f"not pure: {event} {arguments}")
from garret.image_bootstrap.bundle import build_bundle
from garret.image_bootstrap.node_config import NodeConfig
from garret.image_bootstrap.user_data import build_user_data
from garret.spec import parse_spec
from garret.templates.render import render_template
sys.addaudithook(watch)
bundle = build_bundle()
config = NodeConfig("a", "cn-hangzhou", "local", bundle.sha256, bundle.size, 7860, "admin", "scrypt$", "sha256$")
sys.stdout.write(render_template(parse_spec({"region": "cn-hangzhou"}), build_user_data(config)))
"""


def test_the_whole_text_is_made_without_sockets_programs_or_environment() -> None:
    """Two bare interpreters with different hash seeds write the same text, and write nothing else."""
    texts = []
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", PURE], env=environment, capture_output=True, text=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stderr
        texts.append(done.stdout)
    assert texts[0] == texts[1]
    assert texts[0].startswith("ROSTemplateFormatVersion: '2015-09-01'")


def test_every_template_of_the_catalog_is_a_file_with_its_parameters() -> None:
    """The catalog does not promise what is not there."""
    for template in TEMPLATES.values():
        text = render_template(SPECS["ordinary"], USER_DATA, template=template)
        assert [parameter.name for parameter in template.parameters] == list(yaml.safe_load(text)["Parameters"])


NASTY = st.text(max_size=40) | st.sampled_from(
    [
        "'",
        '"',
        "\n",
        ": ",
        "#",
        "- a",
        "{{ spec }}",
        "{% raw %}",
        "*a",
        "&a",
        "!Ref x",
        "|",
        ">",
        "\u2028",
        "\x85",
        "\ud800",
    ]
)
# A model is looked into for what the node must read, so it is never just any text.
NO_TEXTS = ("model", "period", "spot_price_limit", "max_price_per_hour", "autostop_min")
STRING_FIELDS = [name for name, value in ORDINARY if (isinstance(value, str) or value is None) and name not in NO_TEXTS]
# Fields whose presence adds a part to the template; they are there in both of the compared ones.
OPTIONAL = ("zone", "image_id", "domain", "resource_group")


def shape(value: Any) -> Any:
    """A template without its texts."""
    if isinstance(value, dict):
        return {key: shape(child) for key, child in value.items()}
    if isinstance(value, list):
        return [shape(child) for child in value]
    return type(value).__name__


@settings(max_examples=40, deadline=None)
@given(nasty=NASTY, more=NASTY)
def test_no_value_can_change_the_structure(nasty: str, more: str) -> None:
    """Whatever stands in a field, even past the spec's own checks, stays a text in its place."""
    assert {"name", "region", "zone", "instance_type", "login", "image_id", "domain", "key_pair"} <= set(STRING_FIELDS)
    fields = {**ORDINARY.model_dump(), **dict.fromkeys(STRING_FIELDS, nasty), "allow_cidr": (nasty, more)}
    fields |= {**dict.fromkeys(OPTIONAL, nasty or "z"), "tags": {nasty: more}}
    ordinary = {**ORDINARY.model_dump(), **dict.fromkeys(OPTIONAL, "z"), "tags": {"key": "value"}}
    usual = yaml.safe_load(render_template(DeploymentSpec.model_construct(**ordinary), USER_DATA))
    template = yaml.safe_load(render_template(DeploymentSpec.model_construct(**fields), more))
    assert shape(template) == shape(usual)
    tags = template["Resources"]["Network"]["Properties"]["Tags"]
    assert tags == [{"Key": "garret:deployment", "Value": nasty}, {"Key": nasty, "Value": more}]
    assert template["Resources"]["Node"]["Properties"]["UserData"]["Fn::Replace"][1] == more


@given(text=st.text() | NASTY)
def test_a_quoted_text_reads_back_as_itself(text: str) -> None:
    """Also as the key of a mapping, and as a block in the middle of one."""
    assert yaml.safe_load(f"a: {quote_yaml(text)}\nb: 1\n") == {"a": text, "b": 1}
    assert yaml.safe_load(f"{quote_yaml(text)}: 1\n") == {text: 1}
    assert yaml.safe_load(f"a:\n  b: {block_yaml(text, 4)}\nc: 1\n") == {"a": {"b": text}, "c": 1}


def test_a_template_cannot_write_a_value_raw() -> None:
    """A forgotten filter is an error here, not a hole there."""
    environment = render._environment()
    with pytest.raises(TypeError, match=r"without .* yaml"):
        environment.from_string("a: {{ value }}").render(value="b: c")
    assert environment.from_string("a: {{ value | yaml }}").render(value="b: c") == 'a: "b: c"'
