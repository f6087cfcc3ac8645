"""`explain_event`: when an event runs, why not at other times, and what would become of a run now.

`get_upcoming_jobs`: what is scheduled (contract scheduler.md §15). Both are additions to the contract.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from conductor.access.account import Account
from conductor.api.call import Call
from conductor.api.endpoint import Endpoint
from conductor.api.office import Office
from conductor.definitions.json_values import truthy
from conductor.definitions.repository import Definitions
from conductor.errors import BadParameter, NotFound, Refusal
from conductor.jobs.agents import Agents
from conductor.jobs.compose import Order
from conductor.records.searchable import SearchableDocuments
from conductor.schedule.evaluation import Turn
from conductor.schedule.forecast import Suppressed, forecast, judged, upcoming
from conductor.schedule.scheduler import Scheduler
from conductor.schedule.timekeeper import Timekeeper
from conductor.schedule.timetable import Entry, Timetable, read_timetable
from conductor.schedule.triggers.base import LATEST, floored
from conductor.schedule.triggers.zones import Zone, zone
from conductor.settings import Settings
from shared import clock

_MOST_ROWS = 10_000
_HOURS = 24.0


class ExplainEvent(msgspec.Struct, kw_only=True):
    id: str
    at: Annotated[float, msgspec.Meta(ge=0, le=LATEST)] | None = None
    """The moment that is asked about, Unix time; by default now."""
    count: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    """How many runs from that moment on."""


class UpcomingJobs(msgspec.Struct, kw_only=True):
    hours: Annotated[float, msgspec.Meta(gt=0, le=24 * 366)] = _HOURS
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MOST_ROWS)] = _MOST_ROWS
    event: str = ""
    """Only this event."""


class Explained(msgspec.Struct, kw_only=True):
    """See docs/scheduling.md."""

    moment: int
    blocked: str
    runs: list[dict[str, Any]]
    suppressed: list[dict[str, Any]]
    triggers: list[dict[str, Any]]
    launch: dict[str, Any]


class Upcoming(msgspec.Struct, kw_only=True):
    rows: list[dict[str, Any]]
    list: dict[str, int]


def endpoints(
    office: Office,
    timekeeper: Timekeeper,
    definitions: Definitions,
    servers: SearchableDocuments,
    agents: Agents,
    settings: Settings,
) -> tuple[Endpoint[Any], ...]:
    async def explain_event(call: Call, params: ExplainEvent) -> Mapping[str, Any]:
        event = definitions.get("events", params.id)
        if event is None:
            raise NotFound(f"Event not found: {params.id}")
        call.account.require_event(event)
        scheduler = timekeeper.scheduler
        known = {str(one["id"]): one for one in await servers.all()}
        launch = _launch(event, known, call.account)
        return {**explained(event, scheduler, params.at, params.count), "launch": launch}

    def _launch(event: Mapping[str, Any], known: Mapping[str, Any], account: Account) -> dict[str, Any]:
        order = Order(event=event, source="scheduler")
        try:
            preview = office.engine.previews.of(order, known)
        except Refusal as refusal:
            return {"outcome": "refuse", "reason": refusal.description}
        found, reading = preview.prospect, preview.fleet.reading

        def shown(server_id: str) -> dict[str, Any]:
            record = known.get(server_id) or agents.online.get(server_id) or {}
            return {"id": server_id, "title": str(record.get("title") or record.get("hostname") or "")}

        def visible(server_id: str) -> bool:
            record = known.get(server_id) or agents.online.get(server_id) or {}
            return account.sees_groups(record.get("groups") or ())

        return {
            "outcome": "refuse" if preview.refusal else found.outcome,
            "reason": preview.refusal or found.reason,
            "server": shown(found.server) if found.server and visible(found.server) else None,
            "algo": found.algo,
            "candidates": [
                {**shown(one), **_measured(found.compared.get(one), reading(one))}
                for one in found.candidates
                if visible(one)
            ],
            "refused": [
                {**shown(one.server), "reason": one.reason} for one in found.refused if visible(one.server)
            ],
            "running": found.running,
            "queued": found.queued,
            "max_jobs_per_min": settings.max_jobs_per_min,
            "delay": round(preview.delay, 1),
            **({"warning": found.warning} if found.warning else {}),
        }

    async def get_upcoming_jobs(call: Call, params: UpcomingJobs) -> Mapping[str, Any]:
        scheduler = timekeeper.scheduler
        now = clock.now()

        def shown() -> Any:
            for slot in scheduler.index:
                quiet = slot.timetable.quiet
                hidden = quiet is not None and quiet.invisible and not call.account.admin
                if hidden or (params.event and slot.event_id != params.event) or scheduler.why_not(slot.doc):
                    continue
                if call.account.sees_event(slot.doc):
                    yield slot.timetable, slot.turn._replace(done=max(slot.turn.done, floored(now)))

        until = floored(now + params.hours * 3600)
        rows = list(upcoming(shown(), until, params.limit)) if scheduler.enabled else []
        return {"rows": rows, "list": {"length": len(rows)}}

    return (
        Endpoint(
            name="explain_event",
            handler=explain_event,
            params=ExplainEvent,
            result=Explained,
            summary="When an event runs next and what keeps it from running, and what a run would meet now.",
        ),
        Endpoint(
            name="get_upcoming_jobs",
            handler=get_upcoming_jobs,
            params=UpcomingJobs,
            result=Upcoming,
            summary="Scheduled runs of all events, one row for each event and minute, in order.",
        ),
    )


def explained(event: Mapping[str, Any], scheduler: Scheduler, at: float | None, count: int) -> dict[str, Any]:
    """The schedule's part of the answer."""
    now = clock.now()
    moment = floored(now if at is None else at)
    blocked = "" if scheduler.enabled else "The scheduler is switched off."
    blocked = blocked or scheduler.why_not(event)
    answer: dict[str, Any] = {
        "event": {"id": event["id"], "title": event.get("title", "")},
        "moment": moment,
        "timezone": scheduler.zone,
        "evaluated": scheduler.evaluated,
        "blocked": blocked,
        "runs": [],
        "suppressed": [],
        "last_refusal": scheduler.refusals.of(str(event["id"])) or scheduler.turns.refused(str(event["id"])),
        "triggers": _listed(event),
    }
    try:
        timetable = read_timetable(event, scheduler.zone)
    except BadParameter as error:
        return {**answer, "blocked": blocked or f"Its triggers cannot be read: {error.description}"}
    if timetable is None:
        return {**answer, "blocked": blocked or "No enabled trigger launches it by itself."}
    slot = scheduler.index.get(str(event["id"]))
    turn = slot.turn if slot is not None else Turn(moment - 60)
    if at is not None or timetable.catch_up is None:
        turn = turn._replace(done=moment - 60 if at is not None else max(turn.done, moment), counted=0)
    found = forecast(timetable, turn, count)
    looks, refused = judged(timetable, moment)
    local = zone(scheduler.zone)
    for look in looks:
        trigger = answer["triggers"][look.entry.index]
        trigger["next"] = look.entry.trigger.next_run(moment - 1)
        trigger["at_moment"] = look.reason or "runs"
    if refused is not None:
        answer["refused_at_moment"] = _suppressed(refused, timetable, local)
    answer["runs"] = [
        {
            "minute": run.minute,
            "local": _zone_of(run.launches[0].entry if run.launches else None, local).text(run.minute),
            "jobs": [
                {
                    "trigger": one.entry.index,
                    "type": one.entry.trigger.TYPE,
                    "now": one.now,
                    "until": one.until,
                }
                for one in run.launches
            ],
            "plugin": timetable.plugin.plugin_id if timetable.plugin else "",
        }
        for run in found.runs
    ]
    answer["suppressed"] = [_suppressed(one, timetable, local) for one in found.suppressed]
    return answer


def _measured(value: float | None, reading: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the algorithm compares a server by, and since when that is known; nothing where it compares nothing."""
    if value is None:
        return {}
    return {"value": value, "sampled": reading.get("date") if reading else None}


def _listed(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    triggers = event.get("triggers")
    return [
        {
            "index": index,
            "type": str(one.get("type", "")) if isinstance(one, dict) else "",
            "enabled": isinstance(one, dict) and truthy(one.get("enabled")),
        }
        for index, one in enumerate(triggers if isinstance(triggers, list) else ())
    ]


def _suppressed(one: Suppressed, timetable: Timetable, local: Zone) -> dict[str, Any]:
    return {
        "minute": one.minute,
        "local": _zone_of(one.entries[0] if one.entries else None, local).text(one.minute),
        "by": one.by,
        "modifier": one.modifier,
        "triggers": [entry.index for entry in one.entries],
        "until": one.until,
    }


def _zone_of(entry: Entry | None, local: Zone) -> Zone:
    return zone(str(entry.doc["timezone"])) if entry is not None and entry.doc.get("timezone") else local
