"""Send Email (contract actions.md §6)."""

from collections.abc import Mapping
from typing import Any

from conductor.actions import texts
from conductor.actions.job_data import mail_data
from conductor.actions.occasion import Means, Occasion
from conductor.actions.recipients import addresses
from conductor.actions.result import Result, failed


async def run(occasion: Occasion, means: Means) -> Result:
    return await send(occasion, means, occasion.action)


async def send(occasion: Occasion, means: Means, holder: Mapping[str, Any]) -> Result:
    """Write to the `users` and `email` of `holder`, with its `body` where it has one."""
    to = addresses(holder, means.ports.addresses)
    if not to:
        return Result(0, "No recipients for email (skipping)")
    if means.ports.mailer is None:
        return failed("email", "Mail is not available.")
    template, data = _letter(occasion, means)
    data = {**data, "email_to": ", ".join(to)}
    body = holder.get("body")
    sent = await means.ports.mailer.send_template(
        template,
        data,
        to=to,
        body=body if isinstance(body, str) and body.strip() else None,
        message_id=f"<{occasion.key}@{means.around.settings.host_id()}>",
    )
    return Result("email" if sent.code else 0, sent.description, sent.details)


def _letter(occasion: Occasion, means: Means) -> tuple[str, dict[str, Any]]:
    if occasion.job is None:
        return occasion.condition, occasion.data
    job = occasion.job
    template = texts.mail_template(occasion.action, job.job, occasion.condition)
    return template, mail_data(means.around, occasion.data, means.jobs.output(job))
