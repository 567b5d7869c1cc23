"""What carries executions out: task by task, each kept as it ends, so that a killed server goes on where it was."""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from garret.local_cloud.clock import parse_stamp, stamp
from garret.local_cloud.core import ACCOUNT_ID, ApiError, Cloud, acting_as
from garret.local_cloud.ids import new_id
from garret.local_cloud.oos import calling, records
from garret.local_cloud.oos.products import PRODUCT_ACTIONS
from garret.local_cloud.oos.templates import read_content
from garret.local_cloud.oos.values import WrongValue, as_text, duration, resolve, select, shaped

END, NEXT = "ACS::END", "ACS::NEXT"
SLICE_S = 0.5  # the longest real sleep between two looks at whether the server goes down
LOOK_S = (0.05, 1.0)  # between two looks of a WaitFor, in real seconds: the first, the longest
WAIT_FOR = timedelta(hours=2)  # of the cloud's own time; then a WaitFor gives up
MOST_TASKS = 5000
TRIGGERS = ("ACS::TimerTrigger",)


class TaskFailed(Exception):
    """A task ended badly; the text is its StatusMessage."""


class Halted(Exception):
    """Somebody cancelled the execution, or the server goes down."""


def go(cloud: Cloud, execution: records.Body) -> None:
    """Carry an execution out on a thread of its own."""
    id = execution["ExecutionId"]
    cloud.background.start(f"oos {id}", partial(carry_out, cloud, id))


def carry_out(cloud: Cloud, id: str) -> None:
    """Carry an execution out, or go on with it; returns when it has ended, was cancelled, or the server goes down."""
    body = cloud.store.get(records.EXECUTION, id)
    if body is None or not records.change(cloud, id, records.RUNNING):
        return
    with acting_as(body["Key"]):
        try:
            outputs = Run(cloud, body).whole()
        except Halted:
            return
        except (TaskFailed, WrongValue) as problem:
            records.change(cloud, id, records.FAILED, str(problem))
        except Exception as problem:  # noqa: BLE001 - a bug here must end in a failed execution, not in one that hangs
            traceback.print_exc(file=sys.stderr)
            records.change(cloud, id, records.FAILED, f"{type(problem).__name__}: {problem}")
        else:
            records.change(cloud, id, records.SUCCESS, Outputs=outputs)


class Run:
    """One execution under way; `known` are its tasks by their path, from before the server was killed too."""

    def __init__(self, cloud: Cloud, execution: records.Body) -> None:
        self.cloud, self.execution = cloud, execution
        self.id, self.region = execution["ExecutionId"], execution["RegionId"]
        self.document = read_content(execution["Content"])
        self.known = {body["Path"]: body for body in records.tasks_of(cloud, self.id)}
        self.count = 0
        self.actions: dict[str, Callable[[Mapping[str, Any], dict[str, Any], records.Body], Any]] = {
            "ACS::ExecuteAPI": self._execute,
            "ACS::WaitFor": self._wait_for,
            "ACS::CheckFor": self._check_for,
            "ACS::Sleep": self._sleep,
        }

    def whole(self) -> dict[str, Any]:
        """Run all tasks and work the outputs out."""
        scope = self.scope()
        tasks = self.document["Tasks"]
        self.tasks(tasks[1:] if tasks[0]["Action"] in TRIGGERS else tasks, scope, "", "")
        return outputs_of(self.document.get("Outputs") or {}, scope)

    def scope(self) -> dict[str, Any]:
        """What references may name before any task has run."""
        known = {"ACS::RegionId": self.region, "ACS::ExecutionId": self.id, "ACS::AccountId": ACCOUNT_ID,
                 "ACS::CurrentDate": self.execution["StartDate"]}  # fmt: skip
        return {**self.execution["Parameters"], **known}

    def check(self) -> None:
        """Stop here when there is nothing more to do; Halted."""
        body = self.cloud.store.get(records.EXECUTION, self.id)
        if body is None or body["Status"] in records.ENDED or self.cloud.background.stopping:
            raise Halted

    def tasks(self, tasks: list[dict[str, Any]], scope: dict[str, Any], path: str, parent: str) -> None:
        """Run tasks in their order, which choices and errors may change."""
        names, at, visits = [task["Name"] for task in tasks], 0, Counter[str]()
        while at < len(tasks):
            self.check()
            self.count += 1
            if self.count > MOST_TASKS:
                raise TaskFailed(f"{MOST_TASKS} tasks are the most of one execution")
            task = tasks[at]
            visits[task["Name"]] += 1
            try:
                chosen = self._task(task, scope, f"{path}{task['Name']}#{visits[task['Name']]}", parent)
            except TaskFailed:
                chosen = task.get("OnError") or END
                if chosen == END:
                    raise
            else:
                chosen = chosen or task.get("OnSuccess") or NEXT
            if chosen == END:
                return
            if chosen != NEXT and chosen not in names:
                raise TaskFailed(f"{task['Name']}: there is no task {chosen!r} to go on with")
            at = at + 1 if chosen == NEXT else names.index(chosen)

    def _task(self, task: dict[str, Any], scope: dict[str, Any], path: str, parent: str) -> str:
        """Run one task, for each of its items if it has some; the next task's name, or empty for the following one."""
        try:
            if "When" in task and resolve(task["When"], scope) not in (True, "true"):
                return ""
            if task["Action"] == "ACS::Choice":
                return self._choice(task["Properties"], scope)
        except WrongValue as problem:
            raise TaskFailed(f"{task['Name']}: {problem}") from None
        if "Loop" not in task:
            self._once(task, scope, path, parent)
            return ""
        self._loop(task, scope, path, parent)
        return ""

    def _choice(self, properties: Mapping[str, Any], scope: dict[str, Any]) -> str:
        for choice in properties.get("Choices") or []:
            if resolve(choice["When"], scope) in (True, "true"):
                return str(choice["NextTask"])
        return str(properties.get("DefaultTask") or NEXT)

    def _loop(self, task: dict[str, Any], scope: dict[str, Any], path: str, parent: str) -> None:
        loop, name = task["Loop"], task["Name"]
        items = resolve(loop["Items"], scope)
        if not isinstance(items, list):
            raise TaskFailed(f"{name}: Loop.Items is no list")
        rate = resolve(loop.get("RateControl") or loop, scope | {"ACS::TaskLoopItem": ""})
        allowed = str(rate.get("MaxErrors", 0))
        most = len(items) * int(allowed[:-1]) / 100 if allowed.endswith("%") else int(allowed)
        errors, gathered = 0, []
        for index, item in enumerate(items):
            inner = {**scope, "ACS::TaskLoopItem": item}
            try:
                self._once(task, inner, f"{path}[{index}]", parent, as_text(item))
            except TaskFailed:
                errors += 1
                if errors > most:
                    raise
            prefix = f"{name}."
            gathered.append({key.removeprefix(prefix): one for key, one in inner.items() if key.startswith(prefix)})
        for output, how in (loop.get("Outputs") or {}).items():
            scope[f"{name}.{output}"] = [one[how["AggregateField"]] for one in gathered if how["AggregateField"] in one]

    def _once(self, task: dict[str, Any], scope: dict[str, Any], path: str, parent: str, item: str = "") -> None:
        """Run one task once, or take over how it ended before."""
        body = self.known.get(path) or self._open(task, path, parent, item)
        if body["Status"] not in records.ENDED:
            try:
                outputs = self._act(task, scope, body)
            except (TaskFailed, WrongValue, ApiError) as problem:
                self._close(body, records.FAILED, str(problem))
            except Halted:
                if not self.cloud.background.stopping:
                    self._close(body, records.CANCELLED)
                raise
            else:
                self._close(body, records.SUCCESS, Outputs=outputs)
        if body["Status"] == records.FAILED:
            raise TaskFailed(f"{task['Name']}: {body['StatusMessage']}")
        scope.update({f"{task['Name']}.{name}": value for name, value in body["Outputs"].items()})

    def _act(self, task: dict[str, Any], scope: dict[str, Any], body: records.Body) -> dict[str, Any]:
        properties = resolve(task.get("Properties") or {}, scope)
        self.cloud.store.update(records.TASK, body["TaskExecutionId"], Properties=properties)
        body["Properties"] = properties
        name = task["Action"].replace("ACS::ExecuteApi", "ACS::ExecuteAPI")
        if name in PRODUCT_ACTIONS:
            answer = self._product(name, properties, body)
        else:
            answer = self.actions[name](properties, task, body)
        chosen = task.get("Outputs") or {}
        return {
            output: shaped(select(how["ValueSelector"], answer), how.get("Type", "String"))
            for output, how in chosen.items()
        }

    def _product(self, name: str, properties: Mapping[str, Any], body: records.Body) -> dict[str, Any]:
        action = PRODUCT_ACTIONS[name]
        scope = self.scope() | {key: resolve(value, self.scope()) for key, value in action.parameters.items()}
        scope |= {key: value for key, value in properties.items() if key in action.parameters}
        self.tasks(action.tasks, scope, f"{body['Path']}/", body["TaskExecutionId"])
        return outputs_of(action.outputs, scope)

    def _execute(self, properties: Mapping[str, Any], task: dict[str, Any], body: records.Body) -> dict[str, Any]:
        retries, tried = int(task.get("Retries", 0)), 0
        while True:
            try:
                return calling.call(self.cloud, self.region, properties, body["TaskExecutionId"])
            except ApiError:
                if tried >= retries:
                    raise
            tried += 1
            self.pause(timedelta(seconds=min(2**tried, int(task.get("MaxRetryInterval", 60)))))

    def _found(self, properties: Mapping[str, Any], body: records.Body) -> tuple[dict[str, Any], list[Any]]:
        answer = calling.call(self.cloud, self.region, properties, body["TaskExecutionId"])
        return answer, select(str(properties["PropertySelector"]), answer)

    def _wait_for(self, properties: Mapping[str, Any], _task: dict[str, Any], body: records.Body) -> dict[str, Any]:
        until, looks = self.until(body, WAIT_FOR), 0
        while True:
            self.check()
            answer, found = self._found(properties, body)
            if found and all(_among(one, properties["DesiredValues"]) for one in found):
                return answer
            if any(_among(one, properties.get("StopRetryValues") or []) for one in found):
                raise TaskFailed(f"{properties['PropertySelector']} is {as_text(found)}")
            if self.cloud.clock.now() >= until:
                raise TaskFailed(f"{properties['PropertySelector']} is still {as_text(found)}")
            self.cloud.clock.wait(min(LOOK_S[0] * 1.3**looks, LOOK_S[1]))
            looks += 1

    def _check_for(self, properties: Mapping[str, Any], _task: dict[str, Any], body: records.Body) -> dict[str, Any]:
        answer, found = self._found(properties, body)
        wanted, unwanted = properties.get("DesiredValues"), properties.get("NotDesiredValues")
        good = found and all(_among(one, wanted) for one in found) if wanted is not None else True
        if not good or any(_among(one, unwanted or []) for one in found):
            raise TaskFailed(f"{properties['PropertySelector']} is {as_text(found)}, not {as_text(wanted)}")
        return answer

    def _sleep(self, properties: Mapping[str, Any], _task: dict[str, Any], body: records.Body) -> dict[str, Any]:
        until = self.until(body, duration(properties.get("Duration")))
        self.pause(until - self.cloud.clock.now())
        return {}

    def until(self, body: records.Body, span: timedelta) -> Any:
        """The moment at which a task's waiting ends: counted from when it began, also after a restart."""
        if not body.get("Until"):
            body["Until"] = stamp(self.cloud.clock.now() + span)
            self.cloud.store.update(records.TASK, body["TaskExecutionId"], Until=body["Until"])
        return parse_stamp(body["Until"])

    def pause(self, span: timedelta) -> None:
        """Wait that long by the cloud's clock."""
        until = self.cloud.clock.now() + span
        while (left := (until - self.cloud.clock.now()).total_seconds()) > 0:
            self.check()
            self.cloud.clock.wait(min(left, SLICE_S))

    def _open(self, task: dict[str, Any], path: str, parent: str, item: str) -> records.Body:
        now, id = self.cloud.clock.stamp(), new_id("exec")
        body = {
            "TaskExecutionId": id, "ExecutionId": self.id, "Path": path, "TaskName": task["Name"],
            "TaskAction": task["Action"], "Status": records.RUNNING, "StatusMessage": "", "LoopItem": item,
            "ParentTaskExecutionId": parent, "CreateDate": now, "StartDate": now, "EndDate": "", "UpdateDate": now,
            "TemplateId": self.execution["TemplateId"], "Properties": {}, "Outputs": {}, "Until": "",
        }  # fmt: skip
        self.cloud.store.put(records.TASK, id, body, self.region)
        self.known[path] = body
        return body

    def _close(self, body: records.Body, status: str, message: str = "", **fields: Any) -> None:
        now = self.cloud.clock.stamp()
        changes = {"Status": status, "StatusMessage": message, "EndDate": now, "UpdateDate": now, **fields}
        self.cloud.store.update(records.TASK, body["TaskExecutionId"], **changes)
        body.update(changes)


def outputs_of(outputs: Mapping[str, Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of a template or an action; one whose task was never run is left out."""
    found = {}
    for name, how in outputs.items():
        try:
            found[name] = resolve(how["Value"], scope)
        except WrongValue:
            continue
    return found


def _among(value: Any, wanted: Any) -> bool:
    return value in wanted or as_text(value) in [as_text(one) for one in wanted]
