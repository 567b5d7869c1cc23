"""Operations that are made of the cloud's own calls: power, type, snapshots, logs, and one command of one's own."""

from __future__ import annotations

from typing import Any

from garret.templates.oos.on_node import ONE_LINE, run
from garret.templates.oos.parts import (
    INSTANCE,
    Document,
    Task,
    api,
    document,
    found,
    parameter,
    task,
    value,
    wait_for,
    words,
)
from garret.templates.oos.schedule import keep

_HERE = {"regionId": "{{ regionId }}", "instanceId": "{{ instanceId }}"}
_ID = {"InstanceIds": ["{{ instanceId }}"]}
_FILE = 'cat "${{GARRET_PREFIX}}{path}" 2>/dev/null'
_LOGS = {
    "bootstrap": _FILE.format(path="/var/log/garret/bootstrap.log") + " | tail -n 200",
    "service": "journalctl --unit garret.service --no-pager --quiet --output short-iso --lines 200",
    "nginx": "tail -n 100 /var/log/nginx/access.log /var/log/nginx/error.log",
    "gpu": "nvidia-smi",
}
_MODES = ["StopCharging", "KeepCharging"]
_LONG: dict[str, Any] = {"Retries": 300, "MaxRetryInterval": 300}
_LINE = {"AllowedPattern": ONE_LINE, "MinLength": 1, "MaxLength": 128}
_WHOSE = parameter("String", "Deployment", "部署", Default="garret", **_LINE)
_SNAPSHOT_NAME = parameter("String", "Name of the snapshot", "快照名称", Default="garret-backup", **_LINE)


def stop() -> Document:
    """Stop the machine, economically unless something else is said, and read back how."""
    modes = parameter(
        "String",
        "Stop mode; StopCharging ends the bill",
        "停机模式，StopCharging 为停机不收费",
        AllowedValues=_MODES,
        Default=_MODES[0],
        AssociationProperty="ALIYUN::ECS::Instance::StopMode",
    )
    given = {**_HERE, "stoppedMode": "{{ stoppedMode }}"}
    tasks = [task("stop", "ACS::ECS::StopInstance", words("Stop it", "停止实例"), given), _look("StoppedMode")]
    what = words("garret: stop a node", "garret：停机")
    return document(
        what, {"instanceId": INSTANCE, "stoppedMode": modes}, tasks, {"stoppedMode": value("{{ look.found }}")}
    )


def start() -> Document:
    """Start the machine."""
    begin = task("start", "ACS::ECS::StartInstance", words("Start it", "启动实例"), _HERE)
    tasks = [keep("{{ instanceId }}"), begin, _look("Status")]
    what = words("garret: start a node", "garret：开机")
    return document(what, {"instanceId": INSTANCE}, tasks, {"status": value("{{ look.found }}")})


def restart_service() -> Document:
    """Let the service begin anew."""
    what = words("garret: restart the service", "garret：重启服务")
    return document(
        what, {"instanceId": INSTANCE}, [run("systemctl restart garret.service")], {"output": value("{{ run.said }}")}
    )


def logs() -> Document:
    """The last lines of a log."""
    names = list(_LOGS)
    chosen: Any = _LOGS[names[-1]]
    for name in reversed(names[:-1]):
        chosen = {"Fn::If": [{"Fn::Equals": ["{{ log }}", name]}, _LOGS[name], chosen]}
    which = parameter("String", "Log", "日志", AllowedValues=names, Default="service")
    what = words("garret: show a log", "garret：查看日志")
    return document(what, {"instanceId": INSTANCE, "log": which}, [run(chosen)], {"log": value("{{ run.said }}")})


def run_command() -> Document:
    """Run one command of whoever starts it, as it is."""
    command = parameter("String", "Command", "命令", AssociationProperty="Code", MinLength=1, MaxLength=16_384)
    seconds = parameter("Number", "Seconds at most", "超时时间（秒）", Default=600)
    tasks = [run("{{ command }}", timeout="{{ timeout }}")]
    what = words("garret: run a command on the node", "garret：在节点上执行命令")
    parameters = {"instanceId": INSTANCE, "command": command, "timeout": seconds}
    return document(what, parameters, tasks, {"output": value("{{ run.said }}")})


def backup() -> Document:
    """A snapshot of the disk: the models and the pictures are on it."""
    parameters = {"instanceId": INSTANCE, "deployment": _WHOSE, "snapshotName": _SNAPSHOT_NAME}
    what = words("garret: back up models and pictures", "garret：备份模型和图片")
    tasks = [_disk(), *_snapshot("snapshot")]
    return document(what, parameters, tasks, {"snapshotId": value("{{ snapshot.id }}")})


def restore() -> Document:
    """The disk as it was at a backup; what it is now is backed up before, unless somebody says no."""
    which = parameter("String", "Snapshot to bring back", "要恢复的快照", AllowedPattern=r"^s-[A-Za-z0-9]{1,40}$")
    safety = parameter("Boolean", "Back up what is there now before", "恢复前先备份当前数据", Default=True)
    when = {"When": {"Fn::Equals": ["{{ safety }}", True]}}
    reset = {"DiskId": "{{ disk.id }}", "SnapshotId": "{{ snapshotId }}"}
    tasks = [
        _disk(),
        task("stop", "ACS::ECS::StopInstance", words("Stop it", "停止实例"), _HERE | {"stoppedMode": "KeepCharging"}),
        *(one | when for one in _snapshot("before")),
        api("reset", "ECS:ResetDisk", words("Bring the disk back", "回滚磁盘"), reset),
        wait_for("resetDone", "ECS:DescribeDisks", words("Wait until it is back", "等待回滚完成"),
                 {"DiskIds": ["{{ disk.id }}"]}, "Disks.Disk[].Status", wanted=["In_use"], **_LONG),
        task("start", "ACS::ECS::StartInstance", words("Start it", "启动实例"), _HERE),
    ]  # fmt: skip
    parameters = {"instanceId": INSTANCE, "snapshotId": which, "safety": safety, "deployment": _WHOSE,
                  "snapshotName": _SNAPSHOT_NAME}  # fmt: skip
    what = words("garret: bring a backup back", "garret：恢复备份")
    return document(what, parameters, tasks)


def _disk() -> Task:
    given, outputs = {"InstanceId": "{{ instanceId }}", "DiskType": "system"}, {"id": found("Disks.Disk[].DiskId")}
    return api("disk", "ECS:DescribeDisks", words("Find its disk", "查找系统盘"), given, Outputs=outputs)


def _snapshot(name: str) -> list[Task]:
    """A snapshot that garret counts as one of its backups, and the wait until it is whole."""
    tags = [{"Key": key, "Value": "{{ deployment }}"} for key in ("garret:snapshot-of", "garret:backup")]
    given = {"DiskId": "{{ disk.id }}", "SnapshotName": "{{ snapshotName }}", "Tags": tags}
    label, wait = words("Begin the snapshot", "创建快照"), words("Wait until it is whole", "等待快照完成")
    return [
        api(name, "ECS:CreateSnapshot", label, given, Outputs={"id": found("SnapshotId")}),
        wait_for(f"{name}Done", "ECS:DescribeSnapshots", wait, {"SnapshotIds": [f"{{{{ {name}.id }}}}"]},
                 "Snapshots.Snapshot[].Status", wanted=["accomplished"], hopeless=["failed"], **_LONG),
    ]  # fmt: skip


def resize() -> Document:
    """Another instance type through the stack, which stays the truth; back to the old one when it does not start."""
    kind = parameter("String", "New instance type", "新的实例规格", AllowedPattern=r"^ecs\.[a-z0-9.-]{1,60}$",
                     AssociationProperty="ALIYUN::ECS::Instance::InstanceType")  # fmt: skip
    stack = parameter("String", "Stack of the deployment (its id)", "部署的资源栈 ID", MinLength=1, MaxLength=64)
    body = found("TemplateBody")
    tasks = [
        _look("InstanceType") | {"Name": "before"},
        api("template", "ROS:GetTemplate", words("Read the stack's template", "读取资源栈模板"),
            {"StackId": "{{ stackId }}"}, Outputs={"body": body}),
        task("stop", "ACS::ECS::StopInstance", words("Stop it", "停止实例"), _HERE | {"stoppedMode": "KeepCharging"}),
        *_change("change", "{{ instanceType }}"),
        task("start", "ACS::ECS::StartInstance", words("Start it", "启动实例"), _HERE,
             OnSuccess="look", OnError="back"),
        *_change("back", "{{ before.found }}"),
        task("again", "ACS::ECS::StartInstance", words("Start it as it was", "以原规格启动"), _HERE),
        task("look", "ACS::CheckFor", words("It has the new type", "检查新规格"), {
            "Service": "ECS", "API": "DescribeInstances", "Parameters": {"RegionId": "{{ regionId }}", **_ID},
            "PropertySelector": "Instances.Instance[].InstanceType", "DesiredValues": ["{{ instanceType }}"],
        }),
    ]  # fmt: skip
    what = words("garret: change the instance type", "garret：变更实例规格")
    return document(what, {"instanceId": INSTANCE, "stackId": stack, "instanceType": kind}, tasks)


def _change(name: str, kind: str) -> list[Task]:
    given = {
        "StackId": "{{ stackId }}",
        "TemplateBody": "{{ template.body }}",
        "UsePreviousParameters": True,
        "Parameters": [{"ParameterKey": "InstanceType", "ParameterValue": kind}],
    }
    done = ["UPDATE_COMPLETE"]
    bad = ["UPDATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"]
    label, wait = words("Change the stack", "更新资源栈"), words("Wait for the stack", "等待资源栈更新")
    return [
        api(name, "ROS:UpdateStack", label, given),
        wait_for(
            f"{name}Done", "ROS:GetStack", wait, {"StackId": "{{ stackId }}"}, "Status", wanted=done, hopeless=bad
        ),
    ]


def _look(what: str) -> Task:
    outputs = {"found": found(f"Instances.Instance[].{what}")}
    return api("look", "ECS:DescribeInstances", words("Read it back", "确认结果"), _ID, Outputs=outputs)
