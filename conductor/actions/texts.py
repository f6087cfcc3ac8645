"""The one line that tells a person what happened (contract actions.md §8, `hook_text_templates`)."""

from collections.abc import Mapping
from typing import Any

from shared.expressions import Directory

TEMPLATES: Mapping[str, str] = {
    "job_start": "Job started on {{nice_server}}: {{event.title}}: {{links.job_details}}",
    "job_success": "Job succeeded on {{nice_server}}: {{event.title}}: {{links.job_details}}",
    "job_error": "Job failed on {{nice_server}}: {{event.title}}: Error ({{job.code}}): {{job.description}}: "
    "{{links.job_details}}",
    "job_progress": "Job runs on {{nice_server}}: {{event.title}}: {{links.job_details}}",
    "job_suspended": "Job waits for you: {{event.title}}: {{links.job_details}}&resume=1",
    "job_limited": "{{action.msg}}: {{links.job_details}}",
    "alert_new": "Alert: {{nice_server}}: {{def.title}}: {{alert.message}}: {{links.alert_url}}",
    "alert_cleared": "Alert cleared: {{nice_server}}: {{def.title}}",
}
"""The texts of a fresh installation."""

MISSING = "n/a"


def job_template(
    templates: Mapping[str, Any], action: Mapping[str, Any], job: Mapping[str, Any], condition: str
) -> str:
    """The name of the text: the action's own, the condition's, else by how far the job is."""
    for name in (action.get("template"), f"job_{condition}"):
        if isinstance(name, str) and name in templates:
            return name
    return _by_state(job, "job_error")


def mail_template(action: Mapping[str, Any], job: Mapping[str, Any], condition: str) -> str:
    """The name of the mail (contract §6 email)."""
    if isinstance(action.get("template"), str) and action["template"]:
        return str(action["template"])
    return "job_start" if condition == "start" else _by_state(job, "job_fail")


def _by_state(job: Mapping[str, Any], failed: str) -> str:
    if job.get("state") != "complete":
        return "job_progress"
    return failed if job.get("code") else "job_success"


def text(
    templates: Mapping[str, Any], name: str, data: Mapping[str, Any], product: str, directory: Directory
) -> str:
    """The expanded text behind the product's name. Expanded once: what a macro yields is plain text."""
    return f"{product} {expanded(str(templates.get(name) or ''), data, directory)}".strip()


def expanded(template: str, data: Mapping[str, Any], directory: Directory, missing: str = MISSING) -> str:
    if "{{" not in template:
        return template
    from shared.expressions import expand  # its grammar is loaded when the first macro is met

    return expand(template, data, missing, directory=directory)
