"""The actions of OOS."""

from __future__ import annotations

from garret.local_cloud.core import Action, Parameter
from garret.local_cloud.oos import executions, templates
from garret.local_cloud.oos.checking import KNOWN
from garret.local_cloud.oos.values import FUNCTIONS

NAME = Parameter("TemplateName", required=True)
CONTENT = Parameter("Content", required=True)
ID = Parameter("ExecutionId", required=True)
_ACTIONS = ", ".join(sorted(name.removeprefix("ACS::") for name in KNOWN))
_FUNCTIONS = ", ".join(sorted(name.removeprefix("Fn::") for name in FUNCTIONS))

ACTIONS = {
    "CreateTemplate": Action(templates.create_template, (NAME, CONTENT), note="form, names and tasks are checked"),
    "GetTemplate": Action(templates.get_template, (NAME,)),
    "UpdateTemplate": Action(templates.update_template, (NAME, CONTENT)),
    "DeleteTemplate": Action(templates.delete_template, (NAME,)),
    "ListTemplates": Action(templates.list_templates, note="own templates; none of the vendor's public ones"),
    "ValidateTemplateContent": Action(
        executions.validate_template_content, (CONTENT,), note="refuses by name what could not be executed here"
    ),
    "StartExecution": Action(
        executions.start_execution,
        (
            Parameter("Parameters", kind="json"),
            Parameter("Tags", kind="json"),
            Parameter("SafetyCheck", choices=("Skip", "ConfirmEveryHighRiskAction")),
        ),
        note=f"actions: {_ACTIONS}; functions: {_FUNCTIONS}; loops one item after the other; nobody is asked to "
        "confirm; a timer that missed several of its times is run once; with the rights of RamRole, else the caller's",
    ),
    "ListExecutions": Action(executions.list_executions, (Parameter("Tags", kind="json"),)),
    "ListTaskExecutions": Action(executions.list_task_executions),
    "ListExecutionLogs": Action(executions.list_execution_logs, (ID,), note="begin and end of each task"),
    "GetExecutionTemplate": Action(executions.get_execution_template, (ID,)),
    "CancelExecution": Action(executions.cancel_execution, (ID,)),
    "DeleteExecutions": Action(executions.delete_executions, (Parameter("ExecutionIds", required=True, kind="json"),)),
}
