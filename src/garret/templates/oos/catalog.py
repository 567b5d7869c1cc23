"""Every operation as an OOS template: what `garret ops export` writes, and why some verbs have none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from garret.templates.oos import machine, schedule
from garret.templates.oos.on_node import flag, number, operation, text
from garret.templates.oos.parts import Document, words

TYPES = ("checkpoint", "lora", "vae", "upscaler", "other")
_TYPE = text("Type", "模型类型", AllowedValues=list(TYPES), Default="checkpoint")
_ANY_TYPE = text("Type; empty for any", "模型类型，留空为全部", AllowedValues=["", *TYPES], Default="")

NOT_EXPORTED: Mapping[str, str] = {
    "rotate-password": "whoever may list executions can read their parameters: garret ops rotate-password",
    "ssh": "a terminal is no operation of OOS: garret ops ssh",
    "tunnel": "a tunnel ends on the machine of whoever opens it: garret ops tunnel",
    "executions": "OOS lists its executions itself",
    "extensions": "what is installed is listed by the node: garret ops extensions",
}
"""Verbs without a template, each with the reason."""


def download_model() -> Document:
    """Bring a model or its preview onto the node."""
    lines = {
        "type": "modelType", "kind": "kind", "url": "url", "from": "source", "name": "modelName",
        "directory": "directory", "sha256": "sha256", "force:flag": "force",
    }  # fmt: skip
    parameters = {
        "modelType": _TYPE,
        "kind": text("Model or preview", "模型或预览图", AllowedValues=["model", "preview"], Default="model"),
        "url": text("Address (https://…), or a source below", "下载地址（https://…），或填写下面的来源", Default=""),
        "source": text(
            "Source: civitai:…, hf:…, modelscope:…, oss://…", "来源：civitai:…、hf:…、modelscope:…、oss://…", Default=""
        ),
        "modelName": text("Name on the node; else the source's", "保存名称，留空则用来源名称", Default=""),
        "directory": text(
            "Folder below the models, for the type other", "模型目录下的子目录（仅用于 other）", Default=""
        ),
        "sha256": text("SHA-256 that it must have", "SHA-256 校验值", Default=""),
        "force": flag("Take it although it is of another family", "忽略模型系列检查"),
    }
    return operation(
        "download-model",
        words("garret: download a model or preview", "garret：下载模型或预览图"),
        lines,
        parameters,
        long=True,
    )


def list_models() -> Document:
    """What is on the node."""
    what = words("garret: list the models", "garret：列出模型")
    return operation("list-models", what, {"type": "modelType"}, {"modelType": _ANY_TYPE})


def remove_model() -> Document:
    """Take a model away, into the node's bin."""
    lines = {"name": "modelName", "type": "modelType", "force:flag": "force", "for_good:flag": "forGood"}
    parameters = {
        "modelName": text("Name of the model", "模型名称", MinLength=1),
        "modelType": _ANY_TYPE,
        "force": flag("Also the last one that pictures can be made with", "即使是最后一个可用模型也移除"),
        "forGood": flag("At once and for good", "立即彻底删除"),
    }
    return operation("remove-model", words("garret: remove a model", "garret：移除模型"), lines, parameters)


def restore_model() -> Document:
    """Bring removed models back."""
    lines = {"name": "modelName", "type": "modelType", "all:flag": "all"}
    parameters = {
        "modelName": text("Name of the model", "模型名称", Default=""),
        "modelType": _ANY_TYPE,
        "all": flag("All that were removed", "恢复全部"),
    }
    return operation(
        "restore-model", words("garret: restore a removed model", "garret：恢复已移除的模型"), lines, parameters
    )


def verify_models() -> Document:
    """Hash models again."""
    lines = {"name": "modelName", "type": "modelType", "accept:flag": "accept"}
    parameters = {
        "modelName": text("Name of the model; empty for all", "模型名称，留空为全部", Default=""),
        "modelType": _ANY_TYPE,
        "accept": flag("Take what is there now as right", "以当前文件为准"),
    }
    return operation(
        "verify-models", words("garret: verify the models", "garret：校验模型"), lines, parameters, long=True
    )


def install_extension() -> Document:
    """Install a plug-in, or leave the service as it was."""
    lines = {"source": "source", "mirror": "mirror", "sha256": "sha256"}
    parameters = {
        "source": text(
            "Package, git repository (https://…) or archive", "软件包、git 仓库（https://…）或压缩包", MinLength=1
        ),
        "mirror": text("Package index to use", "软件源", Default=""),
        "sha256": text("SHA-256 that an archive must have", "压缩包的 SHA-256 校验值", Default=""),
    }
    what = words("garret: install an extension", "garret：安装插件")
    return operation("install-extension", what, lines, parameters, long=True)


def autostop() -> Document:
    """When the node stops itself."""
    lines = {
        "idle_s:number": "idleSeconds", "stop_by": "stopBy", "time_zone": "timeZone",
        "delete_after_s:number": "deleteAfterSeconds",
    }  # fmt: skip
    parameters = {
        "idleSeconds": number("Stop after so many idle seconds; 0 for never", "空闲多少秒后停机，0 为不停机", 3600),
        "stopBy": text("Stop at this time of day in any case (02:00)", "每天定时停机（如 02:00）", Default=""),
        "timeZone": text("Time zone of that time", "时区", Default="+08:00"),
        "deleteAfterSeconds": number(
            "Release the machine so long after its stop; 0 for never", "停机多少秒后释放实例，0 为不释放", 0
        ),
    }
    return operation("autostop", words("garret: autostop of an idle node", "garret：空闲自动停机"), lines, parameters)


EXPORTS: Mapping[str, Mapping[str, Callable[[], Document]]] = {
    "stop": {"stop": machine.stop},
    "start": {"start": machine.start},
    "restart-service": {"restart-service": machine.restart_service},
    "resize": {"resize": machine.resize},
    "backup": {"backup": machine.backup},
    "restore": {"restore": machine.restore},
    "logs": {"logs": machine.logs},
    "run": {"run": machine.run_command},
    "schedule": {"schedule-start": schedule.schedule_start, "schedule-stop": schedule.schedule_stop},
    "autostop": {"autostop": autostop},
    "download-model": {"download-model": download_model},
    "list-models": {"list-models": list_models},
    "remove-model": {"remove-model": remove_model},
    "restore-model": {"restore-model": restore_model},
    "verify-models": {"verify-models": verify_models},
    "install-extension": {"install-extension": install_extension},
}
"""Verb to its templates, each by the name of its file."""
