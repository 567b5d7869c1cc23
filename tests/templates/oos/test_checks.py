"""The exported templates pass every check, and each check finds what it is there for."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from garret.cli import OPS
from garret.templates.oos.catalog import EXPORTS, NOT_EXPORTED
from garret.templates.oos.checks import CHECKS, check, facts
from garret.templates.oos.parts import as_yaml
from garret.templates.oos.schedule import keep_starting
from tests.contract.checker import FACTS

ALL = {name: make for made in EXPORTS.values() for name, make in made.items()}
Template = dict[str, Any]


@pytest.mark.parametrize("name", ALL)
def test_every_template_passes(name: str) -> None:
    """Also as the text that is written, read again."""
    template = ALL[name]()
    assert check(template) == []
    assert yaml.safe_load(as_yaml(template)) == template


def test_every_verb_is_exported_or_says_why_not() -> None:
    """No operation is forgotten."""
    assert set(OPS) - {"export"} - set(EXPORTS) - set(NOT_EXPORTED) == set()


def test_what_the_cloud_is_given_by_garret_itself_passes_too() -> None:
    """The tries of a start, as short and as long as they may be."""
    for minutes in (1, 30, 24 * 60):
        assert check(keep_starting(minutes)) == []


@pytest.mark.parametrize("name", ALL)
def test_calls_are_those_of_the_apis(name: str) -> None:
    """Every API exists, every parameter is one of its own, and those that it needs are there.

    A list's name loses its `.N` and gains an s, tags are Tags, as the vendor's own templates have it.
    """
    for task in ALL[name]()["Tasks"]:
        properties = task["Properties"]
        if "API" not in properties:
            continue
        product = properties["Service"].lower()
        listed = json.loads((FACTS / f"{product}.json").read_text("utf-8"))["actions"]
        known = listed | json.loads((FACTS / "unlisted.json").read_text("utf-8")).get(product, {})
        forms = {key.partition("[]")[0]: (key, value) for key, value in known[properties["API"]].items()}
        given = {_own_name(key, forms) for key in properties["Parameters"] if key != "RegionId"}
        assert given <= set(forms), f"{properties['API']}: {given - set(forms)}"
        needed = {
            key for key, (whole, value) in forms.items() if "!" in whole or (isinstance(value, str) and "!" in value)
        }
        assert needed - {"RegionId"} <= given, f"{properties['API']}: {needed - given}"


def _own_name(key: str, forms: dict[str, Any]) -> str:
    return key if key in forms or key.removesuffix("s") not in forms else key.removesuffix("s")


def changed(change: Callable[[Template], Any], name: str = "download-model") -> Template:
    """A template with one thing changed."""
    template = copy.deepcopy(ALL[name]())
    change(template)
    return template


WRONG: dict[str, tuple[str, Callable[[Template], Any]]] = {
    "an older version": ("form", lambda t: t.update(FormatVersion="OOS-2018")),
    "a section of ROS": ("form", lambda t: t.update(Resources={})),
    "no tasks": ("form", lambda t: t.update(Tasks=[])),
    "one language": ("labels", lambda t: t["Tasks"][0].update(Description="only English")),
    "a parameter without a label": ("labels", lambda t: t["Parameters"]["url"].pop("Label")),
    "a type of ROS": ("parameters", lambda t: t["Parameters"]["url"].update(Type="CommaDelimitedList")),
    "a key of ROS": ("parameters", lambda t: t["Parameters"]["url"].update(NoEcho=True)),
    "a picker that is none": ("parameters", lambda t: t["Parameters"]["url"].update(AssociationProperty="Moon")),
    "a parameter for nothing": ("parameters", lambda t: t["Parameters"].update(more=t["Parameters"]["url"])),
    "a secret": ("parameters", lambda t: t["Parameters"].update(hubToken=t["Parameters"]["url"])),
    "an action that is none": ("actions", lambda t: t["Tasks"][2].update(Action="ACS::ECS::RunScript")),
    "a property that is none": ("actions", lambda t: t["Tasks"][2]["Properties"].update(cleverness=3)),
    "a property that is missing": ("actions", lambda t: t["Tasks"][2]["Properties"].pop("instanceId")),
    "a key that no task has": ("actions", lambda t: t["Tasks"][0].update(Timeout=3)),
    "a trigger in the middle": ("actions", lambda t: t["Tasks"].append({
        "Name": "late", "Action": "ACS::TimerTrigger", "Description": {"en": "a", "zh-cn": "b"},
        "Properties": {"Type": "cron", "Expression": "0 0 9 ? * *", "EndDate": "2099-01-01"}})),
    "a circle": ("ways", lambda t: t["Tasks"][2].update(OnError="send")),
    "two of one name": ("ways", lambda t: t["Tasks"][1].update(Name="send")),
    "a name that is nothing": ("references", lambda t: t["Tasks"][0]["Properties"].update(Parameters="{{ moon }}")),
    "an output that is none": ("references", lambda t: t["Tasks"][2]["Outputs"]["said"].update(ValueSelector="text")),
    "a function of ROS": ("references", lambda t: t["Tasks"][0]["Properties"].update(Parameters={"Fn::Sub": "a"})),
    "a value in a shell text": ("no_shell", lambda t: t["Tasks"][2]["Properties"].update(
        commandContent="wget '{{ url }}' -O /home/models/x")),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_each_check_finds_its_defect(what: str) -> None:
    """And names itself and the place."""
    name, change = WRONG[what]
    found = check(changed(change))
    assert name in {one.check for one in found}, found
    assert all(one.where and one.hint for one in found)


def test_no_check_is_without_a_defect() -> None:
    """Each one is proved above."""
    assert {name for name, _ in WRONG.values()} == {one.__name__ for one in CHECKS}


def test_the_facts_are_names_only() -> None:
    """Of the vendor's templates nothing is kept but names."""
    assert len(facts()["actions"]) == 14
    assert facts()["actions"]["ACS::ECS::StopInstance"]["properties"]["instanceId"] is True
