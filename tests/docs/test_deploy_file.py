"""examples/deploy.full.yaml is the manual of garret.yaml: it names every field, says what is true, and works."""

from __future__ import annotations

import re

import yaml

from garret.spec import FIELDS, DeploymentSpec, parse_spec
from garret.spec.file import read_spec_file
from garret.spec.manual import manual
from tests.docs.deploy_file import FILE

TEXT = FILE.read_text("utf-8")


def test_the_file_is_what_the_fields_say() -> None:
    """Whoever changes a field writes it anew: python -m tests.docs.deploy_file."""
    assert manual() == TEXT


def test_it_names_every_field_once_in_order_with_its_option_and_its_sentence() -> None:
    """Nothing is left out, and nothing is there that is not a field."""
    named = re.findall(r"^([a-z0-9_]+):", TEXT, re.MULTILINE)
    assert named == list(DeploymentSpec.model_fields)
    flat = " ".join(line.removeprefix("# ") for line in TEXT.splitlines())
    for field in FIELDS.values():
        assert field.sentence in flat
        assert f"Option {field.flag}; default:" in flat


def test_it_is_read_as_a_deployment_with_the_defaults() -> None:
    """A copy of it deploys the same as saying the region only."""
    assert parse_spec(read_spec_file(FILE)) == parse_spec({"region": "cn-hangzhou"})


def test_its_examples_are_good_values() -> None:
    """What it shows after "For example" is taken, but for ids that are cut short."""
    examples = re.findall(r"^# For example ([a-z_]+): (.+)$", TEXT, re.MULTILINE)
    values = {name: yaml.safe_load(text) for name, text in examples}
    assert len(values) >= 13
    needed = {"spot_price_limit": {"charge_type": "Spot"}, "period": {"charge_type": "Subscription"}}
    needed |= {name: {"acme": True, "acme_agree": True} for name in ("acme_email", "acme_server")}
    for name, value in values.items():
        if "…" not in str(value):
            spec = parse_spec({"region": "cn-hangzhou", name: value} | needed.get(name, {}))
            assert getattr(spec, name) not in (None, (), {})
