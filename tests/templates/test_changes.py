"""What a change of the spec does to the node."""

from __future__ import annotations

from typing import Any

import pytest

from garret.spec import FIELDS, DeploymentSpec, parse_spec
from garret.templates.changes import classify

BEFORE = parse_spec({"region": "cn-hangzhou", "disk_size_gib": 200})


@pytest.mark.parametrize(
    ("field", "after", "effect"),
    [
        ("bandwidth_mbps", 50, "live"),
        ("allow_cidr", ["203.0.113.7/32"], "live"),
        ("tags", {"team": "studio"}, "live"),
        ("disk_size_gib", 300, "live"),
        ("disk_size_gib", 100, "replace"),
        ("instance_type", "ecs.gn7i-c16g1.4xlarge", "restart"),
        ("zone", "cn-hangzhou-k", "replace"),
        ("login", "studio", "replace"),
        ("max_price_per_hour", 3, "free"),
    ],
)
def test_a_change_has_its_effect(field: str, after: Any, effect: str) -> None:
    """From nothing to a new machine; a disk grows in place and never shrinks."""
    changes = classify(BEFORE, parse_spec(BEFORE.model_dump(mode="json") | {field: after}))
    assert [(change.field, change.effect) for change in changes] == [(field, effect)]


def test_the_same_wish_changes_nothing() -> None:
    """So nothing is written."""
    assert classify(BEFORE, parse_spec(BEFORE.model_dump(mode="json"))) == ()


def test_every_field_has_its_words() -> None:
    """A field without a sentence, a flag and a hint could not be explained."""
    assert set(FIELDS) == set(DeploymentSpec.model_fields)
    assert all(field.sentence and field.flag.startswith("--") and field.hint for field in FIELDS.values())
