"""Create Ticket (contract actions.md §6). Numbering, storing and telling people are the tickets room's."""

from typing import Any

from conductor.actions import display
from conductor.actions.occasion import Alert, Means, Occasion
from conductor.actions.recipients import listed
from conductor.actions.result import Result, failed
from conductor.audit import causes
from conductor.live.job import ActiveJob
from conductor.signals import SYSTEM


async def run(occasion: Occasion, means: Means) -> Result:
    if means.ports.tickets is None:
        return failed("ticket", "Tickets are not available.")
    action = occasion.action
    template = means.around.settings.client.get("new_ticket_template")
    template = template if isinstance(template, dict) else {}
    job, alert = occasion.job, occasion.alert
    document: dict[str, Any] = {
        "type": action.get("ticket_type") or "issue",
        "status": "open",
        "assignees": listed(action.get("ticket_assignees")),
        "tags": listed(action.get("ticket_tags")),
        "cc": listed(template.get("cc")),
        "notify": listed(template.get("notify")),
        "due": action.get("ticket_due") or template.get("due") or 0,
        **(_of_job(occasion, job, means) if job else _of_alert(occasion, alert) if alert else {}),
    }
    ticket = await means.ports.tickets.create(
        document,
        actor=SYSTEM,
        username="system",
        job_id=job.id if job else "",
        alert_id=str(alert.invocation.get("id") or "") if alert else "",
        correlation_id=occasion.story,
        causation_id=causes.acted(occasion.key),
        id=occasion.new_id("t"),
    )
    ticket_id = str(ticket["id"])
    if job:
        job.set(tickets=_with(job.job.get("tickets"), ticket_id))
    elif alert:
        alert.invocation["tickets"] = _with(alert.invocation.get("tickets"), ticket_id)
    number = ticket.get("num", ticket_id)
    return Result(0, f"Successfully created ticket #{number}", loc=f"#{number}")


def _with(listed: Any, ticket_id: str) -> list[str]:
    """The tickets room may have listed it already."""
    return list(dict.fromkeys((*(listed or ()), ticket_id)))


def _of_job(occasion: Occasion, job: ActiveJob, means: Means) -> dict[str, Any]:
    data = occasion.data
    title = (data["event"] or {}).get("title") or job.job.get("label") or job.job.get("event") or ""
    complete = job.state == "complete"
    how = ("failed" if job.job.get("code") else "succeeded") if complete else "is under way"
    lines = [
        f"- **Job:** [#{job.id}]({data['links']['job_details']})",
        f"- **Event:** {title}",
        f"- **Category:** {(data['category'] or {}).get('title', job.job.get('category', ''))}",
        f"- **Server:** {data['nice_server']}",
        f"- **Elapsed:** {data['display']['elapsed']}",
    ]
    if job.job.get("code"):
        lines.append(f"- **Error:** ({job.job['code']}) {job.job.get('description', '')}")
    output = display.excerpt(means.jobs.output(job) or str(job.details.get("output") or ""))
    if complete:
        lines.append(f"- **Output:** [{data['display']['log_size']}]({data['links']['job_log']})")
    return {
        "subject": f"Job #{job.id} {how}: {title}",
        "body": "\n".join(lines) + f"\n\n```\n{output}\n```\n",
        "category": job.job.get("category", ""),
        "server": job.server,
    }


def _of_alert(occasion: Occasion, alert: Alert) -> dict[str, Any]:
    data = occasion.data
    lines = [
        f"- **Alert:** [{alert.definition.get('title', '')}]({data['links']['alert_url']})",
        f"- **Message:** {alert.invocation.get('message', '')}",
        f"- **Server:** [{data['nice_server']}]({data['links']['server_url']})",
        f"- **Groups:** {data['nice_groups']}",
        f"- **Time:** {data['date_time']}",
        f"- **Load:** {data['nice_load_avg']}",
        f"- **Memory:** {data['nice_mem_avail']} of {data['nice_mem_total']} available",
        f"- **System:** {data['nice_os']}, up {data['nice_uptime']}",
        f"\n**Active jobs:**\n\n{data['nice_active_jobs']}",
    ]
    return {
        "subject": f"Alert: {alert.definition.get('title', '')} on {data['nice_server']}",
        "body": "\n".join(lines) + "\n",
        "server": str(alert.server.get("id") or ""),
    }
