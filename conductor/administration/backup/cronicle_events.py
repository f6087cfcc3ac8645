"""Cronicle's events as ours: triggers, limits, actions, graphs for what runs on many hosts (compat.md §1.5). Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_HEADER = re.compile(r"\s*\[header:\s*([^:\]\s]+)\s*:\s*([^\]]*?)\s*\]", re.IGNORECASE)
_NOT_ID = re.compile(r"[^a-z0-9_]")
_TIMES = ("years", "months", "days", "weekdays", "hours", "minutes")
_ALGOS = ("random", "round_robin", "least_cpu", "least_mem", "prefer_first", "prefer_last")
_ALL = 100
"""Percent of the sub-jobs that must have succeeded before a graph goes on."""


@dataclass(frozen=True, slots=True)
class Converted:
    event: Json
    hooks: tuple[Json, ...]
    remarks: tuple[str, ...]
    """What of it has no counterpart here."""


def converted(event: Json, servers: Mapping[str, str], groups: Collection[str], tz: str) -> Converted:
    """`servers`: IDs by host name. `groups`: IDs of those that come along. `tz`: the conductor's."""
    title = str(event.get("title") or event["id"])
    remarks = []
    target = str(event.get("target") or "")
    if target and target not in servers and target not in groups:
        remarks.append(f"Event {title}: its target {target} is no group and no connected server")
    if event.get("detached"):
        remarks.append(f"Event {title}: it was detached; its jobs are ordinary ones here")
    limits, actions = rule_lists(event)
    actions += [
        {"enabled": True, "condition": condition, "type": "run_event", "event_id": str(event[key])}
        for key, condition in (("chain", "success"), ("chain_error", "error"))
        if event.get(key)
    ]
    hooks = []
    if event.get("web_hook"):
        hook, action = action_hook(str(event["web_hook"]), str(event["id"]), title)
        hooks.append(hook)
        actions.append(action)
    plugin = "httpplug" if event.get("plugin") == "urlplug" else str(event.get("plugin") or "")
    made: Json = {
        "id": event["id"],
        "title": title,
        "enabled": True,
        "category": str(event.get("category") or "general"),
        "plugin": plugin,
        "params": event.get("params") if isinstance(event.get("params"), dict) else {},
        "targets": [servers.get(target, target)] if target else [],
        "algo": event.get("algo") if event.get("algo") in _ALGOS else "random",
        "triggers": _triggers(event, tz),
        "limits": limits,
        "actions": actions,
        "fields": [],
        "notes": str(event.get("notes") or ""),
        "icon": "",
        "tags": [],
        "username": str(event.get("username") or ""),
        "created": event.get("created") or 0,
        "modified": event.get("modified") or 0,
        "revision": 1,
    }
    if event.get("multiplex"):
        made = _on_all(made, _number(event.get("stagger")))
    return Converted(made, tuple(hooks), tuple(remarks))


def rule_lists(item: Json) -> tuple[list[Json], list[Json]]:
    """Limits and mail actions, which events and categories have alike."""
    limits = [
        *_limit(item, "time", duration="timeout"),
        *_limit(item, "job", amount="max_children"),
        *_limit(item, "log", amount="log_max_size"),
        *_limit(item, "cpu", amount="cpu_limit", duration="cpu_sustain"),
        *_limit(item, "mem", amount="memory_limit", duration="memory_sustain"),
        *_limit(item, "retry", amount="retries", duration="retry_delay"),
    ]
    if item.get("queue"):
        limits.append({"enabled": True, "type": "queue", "amount": int(_number(item.get("queue_max")))})
        if not any(limit["type"] == "job" for limit in limits):
            limits.append(
                {"enabled": True, "type": "job", "amount": 1}
            )  # a queue needs something to wait for
    actions = [
        {"enabled": True, "condition": condition, "type": "email", "users": [], "email": str(item[key])}
        for key, condition in (("notify_success", "success"), ("notify_fail", "error"))
        if item.get(key)
    ]
    return limits, actions


def action_hook(url: str, id: str, title: str) -> tuple[Json, Json]:
    """A web hook of its own, and the action that fires it. `[header: Name: Value]` in the URL becomes a header."""
    headers = [{"name": name, "value": value} for name, value in _HEADER.findall(url)]
    hook_id = f"wc_{_NOT_ID.sub('_', id.lower())}"[:64]
    hook = {
        "id": hook_id,
        "title": f"Web Hook For {title}",
        "enabled": True,
        "url": _HEADER.sub("", url).strip(),
        "method": "POST",
        "headers": [{"name": "Content-Type", "value": "application/json"}, *headers],
        "body": '{"text":{{ stringify(text) }}}',
        "timeout": 30,
        "retries": 0,
        "follow": False,
        "ssl_cert_bypass": False,
        "max_per_day": 0,
        "notes": "Imported from Cronicle.",
        "icon": "",
        "revision": 1,
    }
    return hook, {"enabled": True, "condition": "complete", "type": "web_hook", "web_hook": hook_id}


def _triggers(event: Json, tz: str) -> list[Json]:
    """By hand it could always be run; its old switch was that of its schedule."""
    triggers: list[Json] = [{"type": "manual", "enabled": True}]
    timing = event.get("timing")
    if isinstance(timing, dict):
        schedule: Json = {"type": "schedule", "enabled": bool(event.get("enabled"))}
        schedule |= {key: timing[key] for key in _TIMES if isinstance(timing.get(key), list) and timing[key]}
        if event.get("timezone") and event["timezone"] != tz:
            schedule["timezone"] = event["timezone"]
        triggers.append(schedule)
    if event.get("catch_up"):
        triggers.append({"type": "catchup", "enabled": True})
    return triggers


def _on_all(event: Json, stagger: float) -> Json:
    """A graph that runs the job on every server of the targets."""
    starts = [trigger for trigger in event["triggers"] if trigger["type"] in ("manual", "schedule")]
    others = [trigger for trigger in event["triggers"] if trigger not in starts]
    named = [{**trigger, "id": f"nt{number}"} for number, trigger in enumerate(starts)]
    job = {key: event[key] for key in ("category", "targets", "algo", "plugin", "params")}
    controller = {"controller": "multiplex", "stagger": stagger, "continue": _ALL}
    nodes: list[Json] = [
        *(
            {"id": trigger["id"], "type": "trigger", "x": 0, "y": 160 * number}
            for number, trigger in enumerate(named)
        ),
        {"id": "nmux", "type": "controller", "x": 320, "y": 0, "data": controller},
        {"id": "njob", "type": "job", "x": 640, "y": 0, "data": job},
    ]
    wires = [
        *({"id": f"ct{number}", "source": one["id"], "dest": "nmux"} for number, one in enumerate(named)),
        {"id": "cjob", "source": "nmux", "dest": "njob"},
    ]
    return {
        **event,
        "type": "workflow",
        "plugin": "_workflow",
        "params": {},
        "targets": [],
        "triggers": [*named, *others],
        "workflow": {"nodes": nodes, "connections": wires},
    }


def _limit(item: Json, type_: str, **keys: str) -> list[Json]:
    """The limit, if its first value is one; a second one that is nothing is left out."""
    values = {name: _number(item.get(key)) for name, key in keys.items()}
    if next(iter(values.values())) <= 0:
        return []
    return [{"enabled": True, "type": type_, **{name: value for name, value in values.items() if value > 0}}]


def _number(value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return 0
    return int(found) if found == found and found.is_integer() else (found if found == found else 0)
