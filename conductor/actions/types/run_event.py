"""Run Event (contract actions.md §6): data, files and tickets go on to the new job.

The launch carries the action's key, so that an action that is repeated after a take-over finds the job that
it made before. How long a chain of such jobs may get is `chain`'s question.
"""

from collections.abc import Mapping
from typing import Any

from conductor.actions import chain, display
from conductor.actions.occasion import Alert, Means, Occasion
from conductor.actions.result import Result, failed
from conductor.audit import causes
from conductor.definitions.params import complete_params, definitions_of
from conductor.live.job import ActiveJob

Doc = Mapping[str, Any]


async def run(occasion: Occasion, means: Means) -> Result:
    return await launch(occasion, means, occasion.action.get("event_id"))


async def launch(occasion: Occasion, means: Means, event_id: Any) -> Result:
    """Run an event for the occasion. Returns when the job is promised, not when it has run."""
    event = means.around.find("events", event_id)
    if event is None:
        return failed("run_event", f"Event not found: {event_id}")
    trigger = _manual_trigger(event)
    if trigger is None:
        return failed("run_event", f"Event has no enabled manual trigger: {event.get('title')}")
    job, action = occasion.job, occasion.action
    path = chain.of(job.job) if job else []
    if reason := chain.objection(path, str(event["id"]), means.around.settings.max_action_chain):
        if job:
            means.jobs.note(job, f"WARNING: {reason}")
        return failed("run_event", reason)
    if job:
        document = {**event, **_of_job(job, path, action), "params": _known_params(event, action)}
    else:
        assert occasion.alert is not None  # noqa: S101 - an occasion is one or the other
        document = {**event, **_of_alert(occasion.alert, event, action, occasion.condition)}
    job_id = await means.jobs.launch(
        document,
        source="action" if job else "alert",
        idempotency_key=f"action:{occasion.key}",
        start_delay=max(display.number(action.get("start_delay")), 0.0),
        start_trigger=str(trigger.get("id") or ""),
        correlation_id=occasion.story,
        causation_id=causes.acted(occasion.key),
    )
    if job:
        link = {"id": job_id, "reason": "action"}
        jobs = [one for one in job.job.get("jobs") or () if one != link]
        job.set(jobs=[*jobs, link])
    return Result(0, f"Successfully launched job: {job_id}", loc=f"#Job?id={job_id}")


def _manual_trigger(event: Doc) -> Doc | None:
    triggers = event.get("triggers")
    return next(
        (
            one
            for one in (triggers if isinstance(triggers, list) else ())
            if isinstance(one, dict) and one.get("type") == "manual" and one.get("enabled")
        ),
        None,
    )


def _of_job(job: ActiveJob, path: list[str], action: Doc) -> dict[str, Any]:
    parent = {
        "job": job.id,
        "event": job.job.get("event", ""),
        "code": job.job.get("code", 0),
        "description": job.job.get("description", ""),
    }
    output = {"data": job.details.get("data") or {}, "files": job.details.get("files") or []}
    over = action.get("overrides")  # of a workflow's action node: what came in over its wire
    if isinstance(over, dict):
        if isinstance(over.get("input"), dict):
            output = over["input"]
        if isinstance(over.get("parent"), dict):
            parent = over["parent"]
    launched: dict[str, Any] = {"parent": {**parent, "chain": path}, "input": output}
    if tickets := job.job.get("tickets"):
        launched["tickets"] = list(tickets)
    return launched


def _known_params(event: Doc, action: Doc) -> dict[str, Any]:
    given = action.get("params")
    fields = event.get("fields")
    known = {field["id"] for field in definitions_of(fields)}
    taken = {key: value for key, value in given.items() if key in known} if isinstance(given, dict) else {}
    return complete_params(taken, _object(event.get("params")), fields)


def _of_alert(alert: Alert, event: Doc, action: Doc, condition: str) -> dict[str, Any]:
    told = {**alert.invocation, "title": alert.definition.get("title", "")}
    launched: dict[str, Any] = {
        "input": {"data": {"condition": condition, "alert": told}, "files": []},
        "params": complete_params(
            _object(action.get("params")), _object(event.get("params")), event.get("fields")
        ),
    }
    if action.get("target_server") and event.get("type") != "workflow":
        launched["targets"] = [str(alert.server.get("id") or alert.invocation.get("server"))]
    if action.get("clear_alert"):
        launched["clear_alert"] = alert.invocation.get("id", "")
    if tickets := alert.invocation.get("tickets"):
        launched["tickets"] = list(tickets)
    return launched


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
