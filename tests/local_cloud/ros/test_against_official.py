"""What we know of functions and types, against the vendor's own offline validator (a development dependency)."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from garret.local_cloud.ros.facts import facts_of
from garret.local_cloud.ros.functions import ELSEWHERE, LAZY, ONLY_IN_CONDITIONS, ONLY_NORMAL
from garret.local_cloud.ros.plain_functions import PLAIN
from garret.local_cloud.ros.resources import TYPES

VALIDATOR = "iac_code.tools.cloud.aliyun.ros_validation"
specs = pytest.importorskip(f"{VALIDATOR}.function_specs", reason="pip install -r requirements/iac-code.txt")


@pytest.mark.parametrize("name", sorted({**LAZY, **PLAIN}))
def test_function_is_allowed_where_the_vendor_allows_it(name: str) -> None:
    """Every function exists there and is allowed in conditions and outside of them as ours is."""
    contexts = {context.value for context in specs.FUNCTION_SPECS[name].contexts}
    assert ("CONDITION" in contexts) == (name not in ONLY_NORMAL)
    assert ("NORMAL" in contexts) == (name not in ONLY_IN_CONDITIONS)
    assert ("COUNT" in contexts) == (name not in ONLY_NORMAL + ONLY_IN_CONDITIONS)


def test_every_function_is_there_or_refused_by_name() -> None:
    """None of the vendor's functions is unknown here."""
    assert set(specs.FUNCTION_SPECS) == {*LAZY, *PLAIN, *ELSEWHERE}


def test_types_have_the_vendors_attributes() -> None:
    """Every attribute that a type of ours tells is one of the vendor's."""
    known = json.loads(files(VALIDATOR).joinpath("data/ros_resource_value_specs.json").read_text(encoding="utf-8"))
    told = {one["resource_type"]: set(one["attributes"]) for one in known["resources"]}
    for kind in TYPES.values():
        ours = set(facts_of(kind.name, "here").attributes)
        assert set(kind.attributes) == ours, kind.name
        # The validator knows fewer of both than the vendor's CDK and pages, which our facts have, but no others.
        assert told.get(kind.name, set()) <= ours, kind.name
