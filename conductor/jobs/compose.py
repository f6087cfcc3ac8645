"""A job from its event, category, plugin and what the caller asked for (contract jobs.md §3). Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.definitions.event_rules import WORKFLOW
from conductor.definitions.plugin_commands import command_of
from conductor.errors import Refusal
from conductor.jobs import limits
from conductor.live.firings import NO_FIRING, Firing
from conductor.settings import Settings
from conductor.signals import EventFired
from shared import ids

Doc = Mapping[str, Any]

_EVENT_ONLY = frozenset(
    {
        "id",
        "title",
        "enabled",
        "triggers",
        "modified",
        "created",
        "revision",
        "session_id",
        "update_state",
        "stagger",
    }
)
_OF_A_RUN = frozenset(
    {
        "state", "server", "remote", "updated", "until", "position", "progress", "status", "code", "description",
        "complete", "completed", "elapsed", "final", "retry_count", "retry_prev", "retried", "retry_ok", "jobs",
        "pid", "rpid", "log_file", "log_uploaded", "cpu", "mem", "disk", "net", "procs", "conns", "table", "html",
        "perf", "redraw", "reconnected", "suspended", "recovered", "abort_reason", "update_event", "delete_event",
        "correlation_id", "stype", "splugin",
        "activity", "data", "files", "serverData", "output", "timelines", "event_title", "event_revision",
    }
)  # fmt: skip
"""What only a job has: an event that was made from a job's document must not start half way."""
_FIRED = frozenset(
    {
        "date", "when", "code", "description", "details", "msg", "elapsed_ms", "loc", "active", "repeated",
        "began", "suspended", "notified", "notices", "resumed",
    }
)  # fmt: skip
"""What a limit or action carries once it has fired."""
_FROM_PLUGIN = frozenset({"command", "script", "uid", "gid", "cwd", "env", "kill", "runner"})
"""Launch context: comes from plugin and settings alone, never from a caller."""

_NOT_INHERITED = _EVENT_ONLY | _OF_A_RUN | _FROM_PLUGIN

OVERRIDES = frozenset(
    {
        "params", "input", "targets", "algo", "expression", "tags", "priority", "label", "icon", "notes", "fields",
        "limits", "actions", "plugin", "workflow", "workflowData", "tickets", "test", "test_actions",
        "test_limits", "test_conditions", "invisible", "ephemeral", "now", "parent", "post_data",
    }
)  # fmt: skip
"""What a caller of run_event may set on the job; everything else is dropped without a word."""


NO_PLUGIN = "_workflow"
"""The plugin of workflows, which run none themselves."""
_OF_A_GRAPHS_RUN = frozenset({"state", "jobs", "aborted", "run"})


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A launch that was asked for: the event's document with the caller's overrides laid over it."""

    event: Doc
    source: str
    username: str = ""
    """Who asked for it; empty: the event's creator, as for whatever starts by itself."""
    idempotency_key: str = ""
    correlation_id: str = ""
    """The story that the job belongs to; it stays with the job and goes to all that it leads to."""
    causation_id: str = ""
    """The event that led to it (audit/causes.py); empty: none but what the order says itself."""
    now: float = 0
    """The scheduled time; 0: the event document's `now`, else the moment of the launch."""
    until: float = 0
    """The job does not start before this moment."""
    start: str = ""
    """In workflows: the ID of the trigger node to start from."""
    stype: str = ""
    splugin: str = ""
    firing: Firing = NO_FIRING
    fired: EventFired | None = None
    """Announced before the job, unless the firing had made a job before."""
    patient: bool = False
    """Where launches are counted (`max_jobs_per_min`), it waits for its turn instead of being refused."""


def composed(
    order: Order, category: Doc | None, plugin: Doc | None, settings: Settings, *, job_id: str, now: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The new job as (summary, details). Raises Refusal with code `event`."""
    event = order.event
    test = bool(event.get("test"))
    workflow = event.get("type") == WORKFLOW
    _check(event, category, plugin, test=test)
    assert category is not None  # noqa: S101 - checked above
    job = {key: value for key, value in event.items() if key not in _NOT_INHERITED}
    params = event.get("params")
    params = dict(params) if isinstance(params, dict) else {}
    job.update(
        id=job_id,
        event=event["id"],
        source=order.source,
        username=order.username or event.get("username") or "",
        started=now,
        now=order.now or event.get("now") or now,
        **_start(order, now),
        log_file_size=0,
        env=dict(settings.job_env),
        limits=_inherited(
            "limits",
            event,
            category,
            settings.job_universal_limits,
            skip=test and not event.get("test_limits"),
        ),
        actions=_inherited(
            "actions",
            event,
            category,
            settings.job_universal_actions,
            skip=test and not event.get("test_actions"),
        ),
        tags=words(event.get("tags")),
        params=params,
        **(_context(plugin, job_params=params, settings=settings) if plugin and not workflow else {}),
    )
    for name in ("stype", "splugin", "correlation_id"):
        if value := getattr(order, name):
            job[name] = value
    if workflow:
        job.update(plugin=NO_PLUGIN, workflow=_graph(event, order.start))
    if limits.amount(limits.first(job, "queue")) > 0 and limits.first(job, "job") is None:
        raise _refused("A queue limit needs a concurrency limit beside it.")
    moved = {key: job.pop(key) for key in ("input", "workflowData") if key in job}
    return job, {key: value for key, value in moved.items() if isinstance(value, dict)}


def armed(entries: Any) -> list[dict[str, Any]]:
    """Limits or actions as they are before anything has fired; what is no object is left out."""
    return [
        {key: value for key, value in entry.items() if key not in _FIRED}
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    ]


def words(value: Any) -> list[str]:
    """The non-empty strings of a list or of a comma-separated text, each once."""
    listed = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    return list(dict.fromkeys(word for one in listed if isinstance(one, str) and (word := one.strip())))


def meta_row(host: str, text: str, now: float) -> dict[str, Any]:
    """A row of the job's meta log, written by this conductor."""
    return {"id": ids.short_id("m"), "epoch": now, "msg": text, "server": f"m:{host}"}


def _check(event: Doc, category: Doc | None, plugin: Doc | None, *, test: bool) -> None:
    if category is None:
        raise _refused(f"Category not found: {event.get('category')}")
    workflow = event.get("type") == WORKFLOW
    if not workflow and (plugin is None or plugin.get("type") != "event"):
        raise _refused(f"Plugin not found: {event.get('plugin')}")
    if test:
        return
    if not event.get("enabled"):
        raise _refused(f"Event is disabled: {event.get('title')}")
    if not category.get("enabled"):
        raise _refused(f"Category is disabled: {category.get('title')}")
    if plugin is not None and not workflow and not plugin.get("enabled"):
        raise _refused(f"Plugin is disabled: {plugin.get('title')}")


def _inherited(name: str, event: Doc, category: Doc, universal: Doc, *, skip: bool) -> list[dict[str, Any]]:
    """The event's own entries, then enabled ones of the category and of the settings."""
    entries = armed(event.get(name))
    if skip:
        return entries
    kind = "workflow" if event.get("type") == WORKFLOW else "default"
    sources = (("category", category.get(name)), ("universal", universal.get(kind)))
    for source, inherited in sources:
        entries += [{**entry, "source": source} for entry in armed(inherited) if entry.get("enabled")]
    return entries


def _graph(event: Doc, start: str) -> dict[str, Any]:
    """The workflow's graph as its job carries it, with the node to begin at (workflows.md §3)."""
    given = event.get("workflow")
    graph = (
        {key: value for key, value in given.items() if key not in _OF_A_GRAPHS_RUN}
        if isinstance(given, dict)
        else {}
    )
    nodes = graph.get("nodes")
    graph["nodes"] = [
        node
        for node in (nodes if isinstance(nodes, list) else ())
        if not (
            isinstance(node, dict) and node.get("type") == "note" and not (node.get("data") or {}).get("show")
        )
    ]
    graph["start"] = start or graph.get("start") or _manual_trigger(event)
    return graph


def _manual_trigger(event: Doc) -> str:
    triggers = event.get("triggers")
    for trigger in triggers if isinstance(triggers, list) else ():
        if isinstance(trigger, dict) and trigger.get("type") == "manual" and trigger.get("enabled"):
            return str(trigger.get("id") or "")
    return ""


def _start(order: Order, now: float) -> dict[str, Any]:
    return {"state": "start_delay", "until": order.until} if order.until > now else {"state": "ready"}


def _context(plugin: Doc, *, job_params: Doc, settings: Settings) -> dict[str, Any]:
    default = settings.default_plugin_credentials.get("event")
    context = {
        "command": command_of(dict(plugin)),
        "script": "(File)" if plugin.get("script") else "",
        "uid": plugin.get("uid") or (default.uid if default else ""),
        "gid": plugin.get("gid") or (default.gid if default else ""),
        "kill": plugin.get("kill") or "parent",
    }
    if plugin.get("runner"):
        context["runner"] = True
    for param in plugin.get("params") or ():
        name = param.get("id")
        if name in ("uid", "gid") and param.get("locked") and job_params.get(name):
            context[name] = job_params[name]
    return context


def _refused(text: str) -> Refusal:
    return Refusal("event", f"Failed to launch event: {text}")
