"""The actions of OOS."""

from __future__ import annotations

from garret.local_cloud.core import Action, Parameter
from garret.local_cloud.oos import templates

NAME = Parameter("TemplateName", required=True)
CONTENT = Parameter("Content", required=True)
_NOTE = "form, names and tasks are checked, the actions' own properties are not; nothing executes it"

ACTIONS = {
    "CreateTemplate": Action(templates.create_template, (NAME, CONTENT), note=_NOTE),
    "GetTemplate": Action(templates.get_template, (NAME,)),
    "UpdateTemplate": Action(templates.update_template, (NAME, CONTENT)),
    "DeleteTemplate": Action(templates.delete_template, (NAME,)),
    "ListTemplates": Action(templates.list_templates, note="own templates; none of the vendor's public ones"),
    "ValidateTemplateContent": Action(templates.validate_template_content, (CONTENT,)),
}
