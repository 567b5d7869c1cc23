"""OOS templates: kept in versions, checked in form, found by name and tags."""

from __future__ import annotations

import json

import pytest

from tests.local_cloud.house import House, code_of

STOP = """
FormatVersion: OOS-2019-06-01
Description: Stops one machine
Parameters: {instanceId: {Type: String}}
Tasks:
  - Name: stop
    Action: ACS::ECS::StopInstance
    Properties: {instanceId: '{{ instanceId }}', stoppedMode: StopCharging}
"""


def test_a_template_lives(house: House) -> None:
    """It is made once by its name, gets versions, is listed by tags, and goes."""
    tags = json.dumps({"garret:deployment": "demo"})
    made = house.oos("CreateTemplate", TemplateName="stop", Content=STOP, Tags=tags)["Template"]
    assert (made["TemplateVersion"], made["TemplateFormat"], made["Description"]) == ("v1", "YAML", "Stops one machine")
    with pytest.raises(Exception, match=r"EntityAlreadyExists\.Template"):
        house.oos("CreateTemplate", TemplateName="stop", Content=STOP)
    as_json = json.dumps({"FormatVersion": "OOS-2019-06-01", "Tasks": [{"Name": "a", "Action": "ACS::Sleep"}]})
    house.oos("UpdateTemplate", TemplateName="stop", Content=as_json)
    now = house.oos("GetTemplate", TemplateName="stop")
    assert (now["Template"]["TemplateVersion"], now["Template"]["TemplateFormat"], now["Content"]) == (
        "v2", "JSON", as_json,
    )  # fmt: skip
    assert house.oos("GetTemplate", TemplateName="stop", TemplateVersion="v1")["Content"] == STOP
    assert [one["TemplateName"] for one in house.oos("ListTemplates", Tags=tags)["Templates"]] == ["stop"]
    assert house.oos("ListTemplates", Tags='{"a": "b"}')["Templates"] == []
    house.oos("DeleteTemplate", TemplateName="stop")
    for action in ("GetTemplate", "DeleteTemplate"):
        with pytest.raises(Exception, match=r"EntityNotExists\.Template"):
            house.oos(action, TemplateName="stop")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("a: [", "neither YAML nor JSON"),
        ("- a", "no map"),
        (STOP.replace("OOS-2019", "OOS-2018"), "FormatVersion"),
        (STOP.replace("Tasks", "Task"), "Task"),
        (STOP.replace("    Action: ACS::ECS::StopInstance\n", ""), "Action"),
        ("FormatVersion: OOS-2019-06-01\nTasks: []", "at least one"),
        (STOP + "  - Name: stop\n    Action: ACS::Sleep\n", "twice"),
    ],
)
def test_a_text_that_is_no_template(house: House, content: str, part: str) -> None:
    """The place is named and nothing is kept."""
    for action in ("CreateTemplate", "ValidateTemplateContent"):
        with pytest.raises(Exception, match=part) as error:
            house.oos(action, TemplateName="bad", Content=content)
        assert code_of(error.value) == "InvalidTemplate"
    assert house.oos("ListTemplates")["Templates"] == []
