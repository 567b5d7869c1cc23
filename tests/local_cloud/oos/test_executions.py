"""OOS executions really run: their calls change the cloud, waits follow its clock, rights are the caller's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from garret.local_cloud import keys
from garret.local_cloud.clock import Clock
from garret.local_cloud.nodes.driver import RunResult
from garret.local_cloud.store import Store
from tests.local_cloud.house import Clients, House, PaperDriver, code_of, until
from tests.local_cloud.machines import describe, running, status

Task = dict[str, Any]


def template(*tasks: Task, **sections: Any) -> str:
    """A template's text."""
    return json.dumps({"FormatVersion": "OOS-2019-06-01", "Tasks": list(tasks), **sections})


def task(name: str, action: str, /, **properties: Any) -> Task:
    """One task; the keys that are no properties are added to it."""
    return {"Name": name, "Action": f"ACS::{action}", "Properties": properties}


def api(name: str, api: str, service: str = "ECS", /, **parameters: Any) -> Task:
    """A task that calls an API."""
    return task(name, "ExecuteAPI", Service=service, API=api, Parameters=parameters)


def start(house: Clients, content: str, /, parameters: dict[str, Any] | None = None, **more: str) -> str:
    """Start an execution and return its id."""
    reply = house.oos("StartExecution", TemplateContent=content, Parameters=json.dumps(parameters or {}), **more)
    assert isinstance(reply["Execution"]["Parameters"], str)
    return str(reply["Execution"]["ExecutionId"])


def look(house: Clients, id: str) -> dict[str, Any]:
    """What the cloud says of an execution."""
    found: list[dict[str, Any]] = house.oos("ListExecutions", ExecutionId=id)["Executions"]
    return found[0]


def ended(house: Clients, id: str) -> dict[str, Any]:
    """Wait for the end of an execution."""
    until(lambda: look(house, id)["Status"] in ("Success", "Failed", "Cancelled"))
    return look(house, id)


def tasks(house: Clients, id: str, **more: str) -> dict[str, str]:
    """The tasks of an execution with how each stands."""
    found = house.oos("ListTaskExecutions", ExecutionId=id, **more)["TaskExecutions"]
    return {one["TaskName"]: one["Status"] for one in found}


ONE = {"Parameters": {"instanceId": {"Type": "String"}}}
THIS = {"instanceId": "{{ instanceId }}"}


def test_a_stop_and_a_start_do_what_they_say(house: House) -> None:
    """The instance is stopped in the mode that was asked for, and started; each step is a task with times."""
    instance = running(house)
    stop = start(house, template(task("stop", "ECS::StopInstance", **THIS, stoppedMode="StopCharging"), **ONE),
                 {"instanceId": instance}, Tags='{"garret:deployment": "demo"}')  # fmt: skip
    assert ended(house, stop)["Status"] == "Success"
    assert (describe(house, instance)["Status"], describe(house, instance)["StoppedMode"]) == (
        "Stopped",
        "StopCharging",
    )
    assert tasks(house, stop) == {"stop": "Success"}
    inner = tasks(house, stop, IncludeChildTaskExecution="true")
    assert list(inner) == ["stop", "look", "untilReady"]
    begin = start(house, template(task("start", "ECS::StartInstance", **THIS), **ONE), {"instanceId": instance})
    assert ended(house, begin)["Status"] == "Success"
    assert status(house, instance) == "Running"
    listed = house.oos("ListExecutions", Tags='{"garret:deployment": "demo"}')["Executions"]
    assert [(one["ExecutionId"], one["Tags"]) for one in listed] == [(stop, {"garret:deployment": "demo"})]
    said = [line["Message"] for line in house.oos("ListExecutionLogs", ExecutionId=stop)["ExecutionLogs"]]
    assert "stop: Success" in said
    assert json.loads(house.oos("GetExecutionTemplate", ExecutionId=stop)["Content"])["Tasks"][0]["Name"] == "stop"


def test_outputs_choices_conditions_and_loops(house: House) -> None:
    """What a task found is used by those after it; the way taken is the one that was chosen; a loop does each."""
    instance = running(house)
    find = api("find", "DescribeInstances", RegionId="{{ ACS::RegionId }}", InstanceIds=["{{ instanceId }}"])
    find["Outputs"] = {
        "ids": {"Type": "List", "ValueSelector": "Instances.Instance[].InstanceId"},
        "status": {"Type": "String", "ValueSelector": ".Instances.Instance[].Status"},
    }
    choice = task("which", "Choice", DefaultTask="never", Choices=[
        {"When": {"Fn::Equals": ["Running", "{{ find.status }}"]}, "NextTask": "each"}])  # fmt: skip
    never = api("never", "StopInstance", InstanceId="{{ instanceId }}")
    each = api("each", "DescribeInstances", InstanceIds=["{{ ACS::TaskLoopItem }}"]) | {
        "Loop": {"Items": "{{ find.ids }}", "RateControl": {"Mode": "Concurrency", "Concurrency": 1, "MaxErrors": 0},
                 "Outputs": {"types": {"AggregateType": "Fn::ListJoin", "AggregateField": "type"}}},
        "Outputs": {"type": {"Type": "String", "ValueSelector": "Instances.Instance[].InstanceType"}},
    }  # fmt: skip
    skipped = never | {"Name": "skipped", "When": {"Fn::Not": {"Fn::Equals": ["a", "a"]}}}
    outputs = {
        "text": {"Type": "String", "Value": {"Fn::Join": ["-", ["{{ find.status }}", "{{ flag }}", "x{{ count }}"]]}},
        "types": {"Type": "List", "Value": "{{ each.types }}"},
        "never": {"Type": "String", "Value": "{{ never.x }}"},
    }
    parameters = {**ONE["Parameters"], "flag": {"Type": "Boolean", "Default": True},
                  "count": {"Type": "Number", "Default": 3}}  # fmt: skip
    never["Outputs"] = {"x": {"Type": "String", "ValueSelector": "RequestId"}}
    id = start(house, template(find, choice, never, each, skipped, Parameters=parameters, Outputs=outputs),
               {"instanceId": instance})  # fmt: skip
    done = ended(house, id)
    assert (done["Status"], done["StatusMessage"]) == ("Success", "")
    assert json.loads(done["Outputs"]) == {
        "text": "Running-true-x3",
        "types": [describe(house, instance)["InstanceType"]],
    }
    assert tasks(house, id) == {"find": "Success", "each": "Success"}
    assert status(house, instance) == "Running"


def test_a_command_on_a_node(driver: PaperDriver, house: House) -> None:
    """Its output is the execution's; an exit code that is not 0 fails it."""
    instance = running(house)
    command = task("run", "ECS::RunCommand", **THIS, commandType="RunShellScript", commandContent="{{ command }}")
    command["Outputs"] = {"said": {"Type": "String", "ValueSelector": "invocationOutput"}}
    parameters = {**ONE["Parameters"], "command": {"Type": "String"}}
    text = template(command, Parameters=parameters, Outputs={"said": {"Type": "String", "Value": "{{ run.said }}"}})
    done = ended(house, start(house, text, {"instanceId": instance, "command": "echo 'it''s' {{ instanceId }}"}))
    assert (done["Status"], json.loads(done["Outputs"])) == ("Success", {"said": "done\n"})
    assert driver.commands[-1][1] == b"echo 'it''s' {{ instanceId }}", "what a value holds is never read again"
    driver.result = RunResult(3, b"no\n")
    failed = ended(house, start(house, text, {"instanceId": instance, "command": "false"}))
    assert failed["Status"] == "Failed"
    assert "ExitCode is [3], not [0]" in failed["StatusMessage"]


def test_an_error_goes_where_it_is_sent(house: House) -> None:
    """To the end with the cloud's code, or to the task that is named; a call may be tried again."""
    broken = api("broken", "StopInstance", InstanceId="i-none")
    failed = ended(house, start(house, template(broken)))
    assert failed["Status"] == "Failed"
    assert "InvalidInstanceId.NotFound" in failed["StatusMessage"]
    after = api("after", "DescribeRegions")
    skipping = ended(house, start(house, template(broken | {"OnError": "after"}, after)))
    assert skipping["Status"] == "Success"
    going = template(broken | {"OnError": "ACS::NEXT"}, after | {"OnSuccess": "ACS::END"}, broken | {"Name": "never"})
    assert ended(house, start(house, going))["Status"] == "Success"


def test_waits_follow_the_cloud_s_clock(house: House) -> None:
    """An hour's sleep ends when the clock was moved on by an hour, and can be cancelled before."""
    text = template(task("rest", "Sleep", Duration="PT1H"))
    first, second = start(house, text), start(house, text)
    until(lambda: tasks(house, first) == tasks(house, second) == {"rest": "Running"})
    house.oos("CancelExecution", ExecutionId=second)
    until(lambda: tasks(house, second) == {"rest": "Cancelled"})
    assert look(house, second)["Status"] == "Cancelled"
    with pytest.raises(Exception, match="nothing to cancel"):
        house.oos("CancelExecution", ExecutionId=second)
    assert look(house, first)["Status"] == "Running"
    house.own("POST", "/_garret/clock", {"advance_s": 3601})
    assert ended(house, first)["Status"] == "Success"
    house.oos("DeleteExecutions", ExecutionIds=json.dumps([first, second]))
    assert house.oos("ListExecutions")["Executions"] == []


@pytest.fixture
def monday() -> Iterator[House]:
    """A cloud in which it is Monday, 2 January 2040, noon in Shanghai."""
    clock = Clock()
    clock.advance((datetime(2040, 1, 2, 4, tzinfo=UTC) - clock.now()).total_seconds())
    with House(PaperDriver(), clock) as house:
        yield house


def timer(expression: str, kind: str = "cron", zone: str = "Asia/Shanghai", end: str = "2099-12-31T00:00:00Z") -> Task:
    """A timer as the first task."""
    return task("timer", "TimerTrigger", Type=kind, Expression=expression, TimeZone=zone, EndDate=end)


def test_timers_go_off_by_the_week(monday: House) -> None:
    """Stop at 19:00, start at 09:00, Monday to Friday in Shanghai; each time is an execution of its own."""
    house, move = monday, lambda hours: monday.cloud.advance(hours * 3600)
    instance = running(house)
    stop = start(house, template(timer("0 0 19 ? * MON-FRI"), task("stop", "ECS::StopInstance", **THIS), **ONE),
                 {"instanceId": instance})  # fmt: skip
    begin = start(house, template(timer("0 0 9 ? * MON-FRI"), task("start", "ECS::StartInstance", **THIS), **ONE),
                  {"instanceId": instance})  # fmt: skip
    assert (look(house, stop)["Status"], look(house, stop)["NextScheduleTime"]) == ("Waiting", "2040-01-02T11:00:00Z")
    assert look(house, begin)["NextScheduleTime"] == "2040-01-03T01:00:00Z"
    move(6.9)
    assert status(house, instance) == "Running"
    move(0.2)
    until(lambda: look(house, stop)["LastTriggerStatus"] == "Success")
    assert status(house, instance) == "Stopped"
    move(14)
    until(lambda: look(house, begin)["LastTriggerStatus"] == "Success")
    assert status(house, instance) == "Running"
    assert look(house, stop)["NextScheduleTime"] == "2040-01-03T11:00:00Z"
    assert [one["ExecutionId"] for one in house.oos("ListExecutions")["Executions"]] == [begin, stop]
    children = house.oos("ListExecutions", ParentExecutionId=stop)["Executions"]
    assert [one["Status"] for one in children] == ["Success"]
    # A weekend later the missed times are made good in their order, one each: it runs on Monday, as it should.
    move(6 * 24)
    until(lambda: look(house, begin)["NextScheduleTime"] == "2040-01-10T01:00:00Z")
    assert [len(house.oos("ListExecutions", ParentExecutionId=id)["Executions"]) for id in (stop, begin)] == [2, 2]
    assert status(house, instance) == "Running"
    house.oos("CancelExecution", ExecutionId=stop)
    move(48)
    until(lambda: look(house, begin)["NextScheduleTime"] == "2040-01-12T01:00:00Z")
    assert (look(house, stop)["Status"], status(house, instance)) == ("Cancelled", "Running")


def test_a_timer_ends(monday: House) -> None:
    """One moment is one time; after its EndDate a timer is over; one that is over already is refused."""
    once = start(monday, template(timer("2040-01-02T05:00:00Z", "at"), api("look", "DescribeRegions")))
    rate = start(
        monday, template(timer("30 minutes", "rate", end="2040-01-02T04:45:00Z"), api("look", "DescribeRegions"))
    )
    monday.cloud.advance(3700)
    for id in (once, rate):
        assert ended(monday, id)["Status"] == "Success"
        assert look(monday, id)["LastTriggerStatus"] == "Success"
    with pytest.raises(Exception, match="not go off any more"):
        start(monday, template(timer("0 0 9 ? * *", end="2040-01-01"), api("look", "DescribeRegions")))


def test_a_timer_that_is_busy_holds_up_no_other(monday: House) -> None:
    """One sleeps for an hour in what it began; another goes off meanwhile; the first is back for its next time."""
    busy = start(monday, template(timer("0 0 13 ? * *"), task("rest", "Sleep", Duration="PT1H")))
    other = start(monday, template(timer("0 30 13 ? * *"), api("look", "DescribeRegions")))
    for hours in (1.01, 0.5):
        monday.cloud.advance(hours * 3600)
        until(lambda: look(monday, busy)["Status"] == "Running")
    until(lambda: look(monday, other)["LastTriggerStatus"] == "Success")
    assert look(monday, busy)["LastTriggerStatus"] == ""
    monday.cloud.advance(3600)
    until(lambda: look(monday, busy)["Status"] == "Waiting")
    assert look(monday, busy)["NextScheduleTime"] == "2040-01-03T05:00:00Z"
    assert [len(monday.oos("ListExecutions", ParentExecutionId=id)["Executions"]) for id in (busy, other)] == [1, 1]


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (task("a", "AlarmTrigger"), "does not emulate ACS::AlarmTrigger"),
        (api("a", "DescribeMoon"), "does not emulate Ecs DescribeMoon"),
        (api("a", "DescribeRegions", "Moon"), "'Moon' is none of"),
        (task("a", "ECS::StopInstance"), "instanceId: it is missing"),
        (task("a", "ECS::StopInstance", instanceId="i", mode="x"), "Properties.mode"),
        (api("a", "DescribeRegions", x="{{ nobody }}"), "{{ nobody }}"),
        (api("a", "DescribeRegions", x={"Fn::Moon": 1}), "Fn::Moon"),
        (task("a", "Sleep", Duration="an hour"), "no duration"),
        (task("a", "Choice", Choices=[], DefaultTask="b"), "no task 'b'"),
        (task("a", "WaitFor", Service="ECS", API="DescribeRegions"), "PropertySelector: it is missing"),
        (api("a", "DescribeRegions") | {"OnError": "b"}, "no task 'b'"),
        (api("a", "DescribeRegions") | {"Sometimes": 1}, "Sometimes"),
        (timer("0 0 25 ? * *"), "not within 0 to 23"),
        (timer("0 0 9 1 * MON"), "must be ?"),
        (timer("9:00"), "fields"),
        (timer("0 0 9 ? * *", zone="Moon/Sea"), "TimeZone"),
        (timer("often", "rate"), "no rate"),
        (timer("0 0 9 ? * *", "daily"), "none of cron"),
    ],
)  # fmt: skip
def test_what_cannot_be_executed_is_refused_by_name(house: House, wrong: Task, part: str) -> None:
    """Before anything is done, with the task and what is wrong with it."""
    with pytest.raises(Exception) as error:
        start(house, template(wrong, api("b2", "DescribeRegions")))
    assert code_of(error.value) == "InvalidTemplate"
    assert part in str(error.value)
    assert house.oos("ListExecutions")["Executions"] == []


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({}, "no default and was not given"),
        ({"size": 1, "other": 2}, "no parameter other"),
        ({"size": "x"}, "no Number"),
        ({"size": 3}, "none of 1, 2"),
        ({"size": 1, "name": "a b"}, "does not match"),
        ({"size": 1, "name": "a" * 9}, "9 characters"),
    ],
)
def test_parameters_are_checked(house: House, given: dict[str, Any], part: str) -> None:
    """Against what the template declares."""
    declared = {"size": {"Type": "Number", "AllowedValues": [1, 2]},
                "name": {"Type": "String", "AllowedPattern": "[a-z]*", "MaxLength": 8, "Default": ""}}  # fmt: skip
    with pytest.raises(Exception, match=part):
        start(house, template(api("a", "DescribeRegions"), Parameters=declared), given)


def test_the_same_token_starts_once(house: House) -> None:
    """A call that is sent twice is one execution; a template that is kept is started by its name."""
    house.oos("CreateTemplate", TemplateName="look", Content=template(api("a", "DescribeRegions")))
    ids = {
        house.oos("StartExecution", TemplateName="look", ClientToken="1")["Execution"]["ExecutionId"] for _ in range(2)
    }
    assert len(ids) == 1
    assert ended(house, ids.pop())["TemplateName"] == "look"
    with pytest.raises(Exception, match=r"EntityNotExists\.Execution"):
        house.oos("CancelExecution", ExecutionId="exec-none")


def test_an_execution_has_its_caller_s_rights_or_its_role_s(house: House) -> None:
    """Who may start executions and not stop machines stops none; a role that OOS may take lends its rights."""
    instance = running(house)
    text = template(task("stop", "ECS::StopInstance", **THIS), **ONE)

    def policy(*actions: str) -> dict[str, Any]:
        return {"Version": "1", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}

    weak = keys.make(house.store, [policy("oos:*", "ecs:Describe*")])
    caller = Clients(house.host, weak["id"], weak["secret"])
    failed = ended(house, start(caller, text, {"instanceId": instance}))
    assert failed["Status"] == "Failed"
    assert "Forbidden.RAM" in failed["StatusMessage"]
    assert failed["ExecutedBy"] == weak["id"]
    trust = {"Version": "1", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": ["oos.aliyuncs.com"]}}]}  # fmt: skip
    house.ram("CreateRole", RoleName="scheduler", AssumeRolePolicyDocument=json.dumps(trust))
    house.ram("CreatePolicy", PolicyName="power", PolicyDocument=json.dumps(policy("ecs:*")))
    house.ram("AttachPolicyToRole", RoleName="scheduler", PolicyName="power", PolicyType="Custom")
    lent = json.dumps(json.loads(text) | {"RamRole": "scheduler"})
    assert ended(house, start(caller, lent, {"instanceId": instance}))["Status"] == "Success"
    assert status(house, instance) == "Stopped"
    with pytest.raises(Exception, match=r"EntityNotExist\.Role"):
        start(caller, json.dumps(json.loads(text) | {"RamRole": "nobody"}), {"instanceId": instance})


def test_executions_outlive_the_cloud_s_server(tmp_path: Path) -> None:
    """One that slept and one that waited for its time go on after a restart, and do nothing twice."""
    driver, path = PaperDriver(), tmp_path / "store.sqlite"
    with House(driver, store=Store(path)) as house:
        instance = running(house)
        command = task("run", "ECS::RunCommand", **THIS, commandType="RunShellScript", commandContent="once")
        stop = task("stop", "ECS::StopInstance", **THIS)
        text = template(command, task("rest", "Sleep", Duration="PT1H"), stop, **ONE)
        sleeping = start(house, text, {"instanceId": instance})
        waiting = start(house, template(timer("0 0 9 ? * *"), api("look", "DescribeRegions")))
        until(lambda: tasks(house, sleeping).get("rest") == "Running")
    with House(driver, store=Store(path)) as house:
        house.cloud.recover()  # as the daemon does when it starts
        assert (look(house, sleeping)["Status"], look(house, waiting)["Status"]) == ("Running", "Waiting")
        house.cloud.advance(25 * 3600)
        assert ended(house, sleeping)["Status"] == "Success"
        until(lambda: look(house, waiting)["LastTriggerStatus"] == "Success")
        assert status(house, instance) == "Stopped"
    assert [command for _, command, *_ in driver.commands] == [b"once"]


def test_what_is_there_is_listed_by_pages_and_dates(house: House) -> None:
    """Newest first, by status and time."""
    ids = [start(house, template(api("a", "DescribeRegions"))) for _ in range(3)]
    for id in ids:
        ended(house, id)
    first = house.oos("ListExecutions", MaxResults="2")
    rest = house.oos("ListExecutions", MaxResults="2", NextToken=first["NextToken"])
    assert [one["ExecutionId"] for page in (first, rest) for one in page["Executions"]] == ids[::-1]
    assert house.oos("ListExecutions", Status="Failed")["Executions"] == []
    assert house.oos("ListExecutions", StartDateAfter="2099-01-01T00:00:00Z")["Executions"] == []
    with pytest.raises(Exception, match="StartDateAfter"):
        house.oos("ListExecutions", StartDateAfter="yesterday")
