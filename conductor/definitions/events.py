"""Events and workflows (contract api/events.yaml, structures/event.yaml)."""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.algos import check_monitor_of, monitor_of
from conductor.definitions.event_rules import (
    WORKFLOW,
    WORKFLOW_PLUGIN,
    check_event,
    is_workflow,
    require_access,
    require_added_targets,
    require_own_access,
)
from conductor.definitions.json_values import Json, truthy
from conductor.definitions.kind import Context, Kind
from conductor.definitions.locked import forced, in_workflow, without_locked
from conductor.definitions.text import require_text
from conductor.definitions.triggers import as_stored, with_field_defaults
from conductor.errors import BadParameter, Refusal

LAUNCH_CONTEXT = frozenset(["command", "script", "uid", "gid", "cwd", "env", "kill", "runner"])
"""How a process starts is decided by plugin and settings alone."""

_EMPTY: Mapping[str, type[list[Any]] | type[Json]] = {
    "params": dict,
    "limits": list,
    "actions": list,
    "triggers": list,
    "fields": list,
}
_DEFAULT_ALGO = "random"


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    for key in ("enabled", "category"):
        if key not in doc:
            raise BadParameter(f"Missing parameter: {key}")
    _check_type(doc)
    for key, empty in _EMPTY.items():
        if doc.get(key) is None:
            doc[key] = empty()
    _shape(doc, doc)
    _lock(doc, {}, doc, context)
    doc["triggers"] = with_field_defaults(doc["triggers"], doc["fields"])
    check_event(doc, context.library)
    check_monitor_of(doc.get("algo"), context.library)
    _lock_workflow(doc, {}, doc, context)
    doc["triggers"] = as_stored(doc["triggers"], doc["id"])
    require_added_targets({}, doc, context.by)
    return {}


def _check_type(doc: Json) -> None:
    if not truthy(doc.get("type")):
        doc.pop("type", None)
    elif doc["type"] != WORKFLOW:
        raise BadParameter("Malformed event parameter: type")


def _revise(stored: Json, changes: Json, context: Context) -> None:
    for key, empty in _EMPTY.items():
        if key in changes and changes[key] is None:
            changes[key] = empty()
    _shape({**stored, **changes}, changes)
    merged = {**stored, **changes}
    _lock(changes, stored, merged, context)
    if "triggers" in changes:
        changes["triggers"] = with_field_defaults(changes["triggers"], merged.get("fields"))
    merged = {**stored, **changes}
    checked = _completed(merged)
    if merged.get("algo") != stored.get("algo"):
        check_monitor_of(merged.get("algo"), context.library)
    elif monitor_of(merged.get("algo")):  # it may be gone since; the event can be edited all the same
        checked["algo"] = _DEFAULT_ALGO
    check_event(checked, context.library)
    _lock_workflow(changes, stored, merged, context)
    if "triggers" in changes:
        changes["triggers"] = as_stored(changes["triggers"], stored["id"])
    require_added_targets(stored, merged, context.by)


def _shape(event: Json, result: Json) -> None:
    """Set in `result` what an event of this type always has."""
    if is_workflow(event):
        result["plugin"] = WORKFLOW_PLUGIN
        result["targets"] = []
    elif not truthy(event.get("algo")):
        result["algo"] = _DEFAULT_ALGO


def _completed(event: Json) -> Json:
    """An event as older or imported records have it, with what is missing read as empty."""
    return {**event, **{key: empty() for key, empty in _EMPTY.items() if event.get(key) is None}}


def _lock(changes: Json, stored: Json, merged: Json, context: Context) -> None:
    """Callers without `admin` do not choose locked plugin params, in the event or in its triggers."""
    plugin_id = merged.get("plugin")
    plugin = context.library.get("plugins", plugin_id) if isinstance(plugin_id, str) else None
    if context.by.admin or plugin is None:
        return
    fields = plugin.get("params")
    same = stored.get("plugin") == plugin_id
    params = merged.get("params")
    if isinstance(params, dict) and ("params" in changes or not same):
        kept = stored.get("params") if same else None
        changes["params"] = forced(params, fields, kept if isinstance(kept, dict) else {})
    if "triggers" in changes:
        changes["triggers"] = without_locked(changes["triggers"], fields, stored.get("triggers"))


def _lock_workflow(changes: Json, stored: Json, merged: Json, context: Context) -> None:
    if context.by.admin or not is_workflow(merged) or "workflow" not in changes:
        return
    changes["workflow"] = in_workflow(changes["workflow"], stored.get("workflow"), context.library)
    # What was put back may itself be missing something that is required.
    check_event(_completed({**merged, "workflow": changes["workflow"]}), context.library)


def _authorise(doc: Json, context: Context) -> None:
    require_access(doc, context.library, context.by, tolerant=True)


def _authorise_delete(doc: Json, context: Context) -> None:
    require_own_access(doc, context.by)


def _guard_delete(doc: Json, context: Context) -> None:
    if count := context.active_jobs(doc["id"]):
        noun = "job" if count == 1 else "jobs"
        raise Refusal("event", f"Event {doc['id']} cannot be deleted: {count} active {noun}.")


EVENTS = Kind(
    plural="events",
    singular="event",
    prefix="e",
    code="event",
    privilege="events",
    state_under="events",
    takes_state=True,
    revision_locked=True,
    never_stored=LAUNCH_CONTEXT,
    fixed=frozenset(("type",)),
    prepare=_prepare,
    revise=_revise,
    authorise=_authorise,
    authorise_delete=_authorise_delete,
    locks_on_delete=("secrets",),
    guard_delete=_guard_delete,
)
