"""What types say of themselves, against the vendor's facts."""

from __future__ import annotations

import pytest

from garret.local_cloud.ros.facts import facts_of
from garret.local_cloud.ros.resources import TYPES
from garret.local_cloud.ros.resources.base import ResourceType


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES.keys())
def test_every_name_is_the_vendors(kind: ResourceType) -> None:
    """Properties that are carried out, changed or limited are properties of the type; what is needed is carried out."""
    facts = facts_of(kind.name, "here")
    ours = kind.carried | kind.harmless | set(kind.only)
    assert ours | set(kind.nested) | kind.updatable | kind.replace_on <= set(facts.properties)
    assert {name for name, rule in facts.properties.items() if rule.required} <= ours
    assert set(kind.attributes) == set(facts.attributes)
    assert not kind.updatable & kind.replace_on
    for name, keys in kind.nested.items():
        rule = facts.properties[name]
        known = set((rule.items.keys if rule.items else rule.keys) or keys)
        assert keys <= known, name
