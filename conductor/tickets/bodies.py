"""A ticket's text from a job or an alert: the mail template's text, made a body (contract platform.md §16). Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from conductor.outbound.templates import Templates
from conductor.tickets import markup


class Draft(NamedTuple):
    subject: str
    body: str


def of_job(templates: Templates, data: Mapping[str, Any]) -> Draft:
    """From job hook data."""
    job = data["job"]
    failed = bool(job.get("code"))
    outcome = (
        "failed" if failed else "succeeded" if job.get("final") or job.get("completed") else "is running"
    )
    title = (data.get("event") or {}).get("title") or job.get("label") or ""
    template = "job_fail" if failed else "job_success"
    return Draft(
        f"Job #{job['id']} {outcome}{f': {title}' if title else ''}", _text(templates, template, data)
    )


def of_alert(templates: Templates, data: Mapping[str, Any]) -> Draft:
    """From alert hook data."""
    title = (data.get("def") or {}).get("title") or data["alert"].get("alert", "")
    return Draft(f"Alert: {title} on {data.get('nice_server', '')}", _text(templates, "alert_new", data))


def _text(templates: Templates, name: str, data: Mapping[str, Any]) -> str:
    written = templates.fill(name, data)
    return markup.body(written.text).strip() if written else ""
