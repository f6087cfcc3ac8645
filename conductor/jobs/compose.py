"""A job from its event, category, plugin and what the caller asked for (contract jobs.md §3). Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.errors import Refusal
from conductor.jobs import limits
from conductor.settings import Settings
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
_FROM_PLUGIN = frozenset({"command", "script", "uid", "gid", "cwd", "env", "kill", "runner"})
"""Launch context: comes from plugin and settings alone, never from a caller."""

OVERRIDES = frozenset(
    {
        "params", "input", "targets", "algo", "expression", "tags", "priority", "label", "icon", "notes", "fields",
        "limits", "actions", "plugin", "workflow", "workflowData", "tickets", "test", "test_actions",
        "test_limits", "test_conditions", "invisible", "ephemeral", "now", "parent", "post_data",
    }
)  # fmt: skip
"""What a caller of run_event may set on the job; everything else is dropped without a word."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A launch that was asked for: the event's document with the caller's overrides laid over it."""

    event: Doc
    source: str
    username: str
    idempotency_key: str = ""
    correlation_id: str = ""


def composed(
    order: Order, category: Doc | None, plugin: Doc | None, settings: Settings, *, job_id: str, now: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The new job as (summary, details). Raises Refusal with code `event`."""
    event = order.event
    test = bool(event.get("test"))
    _check(event, category, plugin, test=test)
    assert category is not None  # noqa: S101 - checked above
    assert plugin is not None  # noqa: S101
    job = {key: value for key, value in event.items() if key not in _EVENT_ONLY and key not in _FROM_PLUGIN}
    job.update(
        id=job_id,
        event=event["id"],
        source=order.source,
        username=order.username,
        state="ready",
        started=now,
        now=event.get("now") or now,
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
        tags=list(event.get("tags") or ()),
        params=dict(event.get("params") or {}),
        **_context(plugin, job_params=event.get("params") or {}, settings=settings),
    )
    if limits.amount(limits.first(job, "queue")) > 0 and limits.first(job, "job") is None:
        raise _refused("A queue limit needs a concurrency limit beside it.")
    details: dict[str, Any] = {key: job.pop(key) for key in ("input", "workflowData") if key in job}
    return job, details


def meta_row(host: str, text: str, now: float) -> dict[str, Any]:
    """A row of the job's meta log, written by this conductor."""
    return {"id": ids.short_id("m"), "epoch": now, "msg": text, "server": f"m:{host}"}


def _check(event: Doc, category: Doc | None, plugin: Doc | None, *, test: bool) -> None:
    if event.get("type") == "workflow":
        raise _refused("Workflows are not part of this version.")
    if event.get("algo") == "multiplex":
        raise _refused("The multiplex algorithm is not part of this version.")
    if category is None:
        raise _refused(f"Category not found: {event.get('category')}")
    if plugin is None or plugin.get("type") != "event":
        raise _refused(f"Plugin not found: {event.get('plugin')}")
    if test:
        return
    if not event.get("enabled"):
        raise _refused(f"Event is disabled: {event.get('title')}")
    if not category.get("enabled"):
        raise _refused(f"Category is disabled: {category.get('title')}")
    if not plugin.get("enabled"):
        raise _refused(f"Plugin is disabled: {plugin.get('title')}")


def _inherited(name: str, event: Doc, category: Doc, universal: Doc, *, skip: bool) -> list[dict[str, Any]]:
    """The event's own entries, then enabled ones of the category and of the settings."""
    entries = [dict(entry) for entry in event.get(name) or ()]
    if skip:
        return entries
    sources = (("category", category.get(name)), ("universal", universal.get("default")))
    for source, inherited in sources:
        entries += [{**entry, "source": source} for entry in inherited or () if entry.get("enabled")]
    return entries


def _context(plugin: Doc, *, job_params: Doc, settings: Settings) -> dict[str, Any]:
    default = settings.default_plugin_credentials.get("event")
    context = {
        "command": plugin.get("command", ""),
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
