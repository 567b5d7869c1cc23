"""What the cloud does by itself: stop by the week, start by the week, and try to start until there is stock.

The machine is found by the deployment's tag each time: one that was moved to another zone has another id.
"""

from __future__ import annotations

from garret.templates.oos.parts import END, NEXT, Document, Task, api, document, found, parameter, task, words

TAG = "garret:deployment"
MOST_TRIES = 60
_ONE = {"regionId": "{{ regionId }}", "instanceId": "{{ find.instanceId }}"}
_NAME = parameter(
    "String", "Deployment (tag garret:deployment)", "部署（标签 garret:deployment）", MinLength=1, MaxLength=128
)
_END = {
    "AssociationProperty": "DateTime",
    "AssociationPropertyMetadata": {"Format": "YYYY-MM-DDTHH:mm:ssZ"},
    "Default": "2099-12-31T00:00:00Z",
}
_TIMER = {
    "cron": parameter("String", "Cron", "Cron表达式", AssociationProperty="Cron", Default="0 0 9 ? * MON-FRI"),
    "timeZone": parameter("String", "Time zone", "时区", AssociationProperty="TimeZone", Default="Asia/Shanghai"),
    "endDate": parameter("String", "End date (UTC)", "结束时间（UTC）", **_END),
}
_WHEN = (words("When", "时间"), ("cron", "timeZone", "endDate"))


def schedule_stop() -> Document:
    """Stop the deployment's machine at each time of a cron expression, and its bill."""
    given = {**_ONE, "stoppedMode": "StopCharging"}
    stop = task("stop", "ACS::ECS::StopInstance", words("Stop it, and what it costs", "停机不收费"), given)
    what = words("garret: stop a deployment by the week", "garret：每周定时停机")
    return document(what, {"deployment": _NAME, **_TIMER}, [_timer(), *_find("stop"), stop], groups=[_WHEN])


def schedule_start(tries: int = 7, every_s: int = 300) -> Document:
    """Start the deployment's machine at each time of a cron expression; without stock, try for some time."""
    what = words("garret: start a deployment by the week", "garret：每周定时开机")
    tasks = [_timer(), *_find("keep"), keep("{{ find.instanceId }}"), *_tries(tries, every_s)]
    return document(what, {"deployment": _NAME, **_TIMER}, tasks, groups=[_WHEN])


def keep_starting(minutes: int) -> Document:
    """Try to start the deployment's machine until it runs, for so many minutes."""
    every_s = max(60, minutes * 60 // MOST_TRIES)
    what = words("garret: start a deployment as soon as there is stock", "garret：有库存时立即开机")
    tries = max(1, min(MOST_TRIES, minutes * 60 // every_s))
    return document(
        what, {"deployment": _NAME}, [*_find("keep"), keep("{{ find.instanceId }}"), *_tries(tries, every_s)]
    )


def keep(instance: str) -> Task:
    """Take back that a machine is to be released: it is used again. Where that cannot be, it is started anyway."""
    label = words("It is not released any more", "取消自动释放")
    return api("keep", "ECS:ModifyInstanceAutoReleaseTime", label, {"InstanceId": instance}, OnError=NEXT)


def _timer() -> Task:
    given = {"Type": "cron", "Expression": "{{ cron }}", "TimeZone": "{{ timeZone }}", "EndDate": "{{ endDate }}"}
    return task("timer", "ACS::TimerTrigger", words("Wait for the time", "等待触发时间"), given)


def _find(then: str) -> list[Task]:
    """Find the machine; the end where there is none."""
    given = {"Tags": [{"Key": TAG, "Value": "{{ deployment }}"}]}
    chosen = {"instanceId": found("Instances.Instance[].InstanceId"), "count": found("TotalCount", "Number")}
    none = {"When": {"Fn::Equals": ["{{ find.count }}", 0]}, "NextTask": END}
    choice = {"Choices": [none], "DefaultTask": then}
    return [
        api(
            "find",
            "ECS:DescribeInstances",
            words("Find the machine by its tag", "按标签查找实例"),
            given,
            Outputs=chosen,
        ),
        task("whether", "ACS::Choice", words("End here when there is none", "没有实例则结束"), choice),
    ]


def _tries(count: int, every_s: int) -> list[Task]:
    """Start, and where that fails wait and start again; each try is a task of its own, so that none is hidden."""
    tasks: list[Task] = []
    for number in range(1, count + 1):
        start = task(f"try{number}", "ACS::ECS::StartInstance", words("Start it", "启动实例"), _ONE, OnSuccess=END)
        if number == count:
            break
        wait = task(f"wait{number}", "ACS::Sleep", words("Wait", "等待"), {"Duration": f"PT{every_s}S"})
        tasks += [start | {"OnError": wait["Name"]}, wait]
    return [*tasks, start]
