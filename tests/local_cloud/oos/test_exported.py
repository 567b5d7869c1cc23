"""The exported templates, executed as a studio would from the console: they do what the verb of garret does."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from garret.local_cloud.clock import stamp
from garret.local_cloud.nodes.driver import RunResult
from garret.service_runtime.request_lines import read_request
from garret.templates.oos.catalog import EXPORTS
from garret.templates.oos.parts import as_yaml
from tests.local_cloud.house import House, PaperDriver, until
from tests.local_cloud.machines import describe, running
from tests.local_cloud.oos.test_executions import ended, start

NAMED = {name: make for made in EXPORTS.values() for name, make in made.items()}
DEVIL = "https://x/$(touch /tmp/owned);`id`?a='b'&c=\"d\" {{ ACS::AccountId }} \\ é"
ON_NODE = {
    "download-model": ({"modelType": "lora", "url": DEVIL, "modelName": "ink", "force": True},
                       {"type": "lora", "kind": "model", "url": DEVIL, "name": "ink", "force": True}),
    "list-models": ({}, {}),
    "remove-model": ({"modelName": "ink"}, {"name": "ink", "force": False, "for_good": False}),
    "restore-model": ({"modelName": "ink"}, {"name": "ink", "all": False}),
    "verify-models": ({}, {"accept": False}),
    "install-extension": ({"source": "a==1; rm -rf /"}, {"source": "a==1; rm -rf /"}),
    "autostop": ({"stopBy": "02:00"}, {"idle_s": 3600.0, "stop_by": "02:00", "time_zone": "+08:00",
                                       "delete_after_s": 0.0}),
}  # fmt: skip


def execute(house: House, name: str, **parameters: Any) -> dict[str, Any]:
    """Create the template as the console does, start it, and wait for its end."""
    house.oos("CreateTemplate", TemplateName=f"garret-{name}", Content=as_yaml(NAMED[name]()))
    reply = house.oos("StartExecution", TemplateName=f"garret-{name}", Parameters=json.dumps(parameters))
    return ended(house, reply["Execution"]["ExecutionId"])


@pytest.mark.parametrize("name", NAMED)
def test_every_template_can_be_executed_here(house: House, name: str) -> None:
    """The local cloud's own check knows every action and call in it."""
    house.oos("ValidateTemplateContent", Content=as_yaml(NAMED[name]()))


def test_the_checks_and_the_local_cloud_have_not_forgotten_one() -> None:
    """Every template that goes to a node is tried below."""
    sent = {name for name, make in NAMED.items() if any(task["Name"] == "send" for task in make()["Tasks"])}
    assert sent == set(ON_NODE)


def test_stop_and_start(house: House) -> None:
    """Economically, and the mode is read back; started, it is not released any more."""
    instance = running(house)
    stopped = execute(house, "stop", instanceId=instance)
    assert (stopped["Status"], json.loads(stopped["Outputs"])) == ("Success", {"stoppedMode": "StopCharging"})
    tomorrow = stamp(house.cloud.clock.now() + timedelta(days=1))
    house.call("ModifyInstanceAutoReleaseTime", InstanceId=instance, AutoReleaseTime=tomorrow)
    started = execute(house, "start", instanceId=instance)
    assert (started["Status"], json.loads(started["Outputs"])) == ("Success", {"status": "Running"})
    assert not describe(house, instance).get("AutoReleaseTime")


@pytest.mark.parametrize("name", ON_NODE)
def test_what_goes_to_a_node_is_data(driver: PaperDriver, house: House, name: str) -> None:
    """The request arrives with every value as it was typed; the command is the same for everybody."""
    given, expected = ON_NODE[name]
    instance = running(house)
    done = execute(house, name, instanceId=instance, **given)
    assert (done["Status"], json.loads(done["Outputs"])) == ("Success", {"execution": "done\n"})
    id = done["ExecutionId"]
    content, mode = driver.files[instance, f"/var/lib/garret/requests/{id}.txt"]
    assert mode == 0o600
    found = read_request(content.decode())
    assert (found["verb"], found["parameters"]) == (name, expected)
    assert driver.commands[-1][1] == f"garret-node operation follow {id}".encode()


def test_a_line_cannot_be_brought_along(house: House) -> None:
    """The console refuses a value with a line break before anything begins."""
    instance = running(house)
    text = as_yaml(NAMED["download-model"]())
    with pytest.raises(Exception, match=r"Parameters\.url"):
        start(house, text, {"instanceId": instance, "url": "https://x/a\nforce:flag=true"})


def test_a_node_that_refuses_fails_the_execution(driver: PaperDriver, house: House) -> None:
    """The exit code of garret-node is the execution's."""
    instance = running(house)
    driver.result = RunResult(1, b'{"error": {"message": "stop_by: no time of day"}}')
    assert execute(house, "autostop", instanceId=instance)["Status"] == "Failed"


def test_logs_commands_and_the_service(driver: PaperDriver, house: House) -> None:
    """A log by its name, a command as it was typed, and the service anew."""
    instance = running(house)
    assert json.loads(execute(house, "logs", instanceId=instance, log="gpu")["Outputs"]) == {"log": "done\n"}
    assert driver.commands[-1][1] == b"nvidia-smi"
    command = 'echo "it\'s" $HOME; exit 0'
    said = execute(house, "run", instanceId=instance, command=command, timeout=30)
    assert json.loads(said["Outputs"]) == {"output": "done\n"}
    assert driver.commands[-1][1:3] == (command.encode(), 30)
    assert execute(house, "restart-service", instanceId=instance)["Status"] == "Success"
    assert driver.commands[-1][1] == b"systemctl restart garret.service"


def test_a_backup_is_made_and_brought_back(house: House) -> None:
    """Tagged as garret's own; brought back, the disk is what it was, the machine runs, and what was there is kept."""
    instance = running(house)
    done = execute(house, "backup", instanceId=instance, deployment="demo")
    snapshot = json.loads(done["Outputs"])["snapshotId"]
    (body,) = house.store.find("snapshot")
    assert (body["SnapshotId"], {"Key": "garret:backup", "Value": "demo"} in body["Tags"]) == (snapshot, True)
    back = execute(house, "restore", instanceId=instance, snapshotId=snapshot, deployment="demo")
    assert back["Status"] == "Success", back["StatusMessage"]
    assert describe(house, instance)["Status"] == "Running"
    assert len(house.store.find("snapshot")) == 2
    text = as_yaml(NAMED["restore"]())
    again = ended(house, start(house, text, {"instanceId": instance, "snapshotId": snapshot, "safety": False}))
    assert (again["Status"], len(house.store.find("snapshot"))) == ("Success", 2)


def test_schedules_find_the_machine_by_its_tag(house: House) -> None:
    """The console's schedule does what garret's does, with the cloud's own clock."""
    instance = running(house, Tag=[{"Key": "garret:deployment", "Value": "demo"}])
    for name, wanted in (("schedule-stop", "Stopped"), ("schedule-start", "Running")):
        text = as_yaml(NAMED[name]())
        id = start(house, text, {"deployment": "demo", "cron": "0 0 3 ? * *", "timeZone": "UTC"})
        house.cloud.advance(86_400)
        until(lambda id=id: house.oos("ListExecutions", ExecutionId=id)["Executions"][0]["LastTriggerStatus"])
        assert describe(house, instance)["Status"] == wanted
        house.oos("CancelExecution", ExecutionId=id)
