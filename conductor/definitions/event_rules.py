"""What makes an event valid, on save and on every run (contract api/events.yaml, validation).

`validate_event` is what a launch asks of the event merged with a request; saving asks the same.
"""

import re
from typing import Any

from conductor.definitions.actions import check_actions
from conductor.definitions.algos import check_algo
from conductor.definitions.json_values import Json, is_number, text_of, truthy
from conductor.definitions.kind import Library
from conductor.definitions.limits import check_limits
from conductor.definitions.param_definitions import check_event_fields
from conductor.definitions.params import check_values, locked_ids, refuse_reserved
from conductor.definitions.text import is_text, is_word, shown
from conductor.definitions.triggers import check_triggers
from conductor.definitions.workflow_graph import check_workflow, data_of, nodes_of
from conductor.definitions.writer import Writer
from conductor.errors import BadParameter
from shared.expressions import ExpressionError, compile_expression

WORKFLOW = "workflow"
WORKFLOW_PLUGIN = "_workflow"
_ENABLED = re.compile(r"\d+|true|false", re.ASCII)


def is_workflow(event: Json) -> bool:
    return event.get("type") == WORKFLOW


def is_virtual(plugin_id: str) -> bool:
    """Plugins such as `_workflow` are no definitions."""
    return plugin_id.startswith("_")


def validate_event(event: Json, library: Library, by: Writer) -> None:
    """Raise BadParameter unless the event is valid, AccessDenied unless `by` may use all it names."""
    check_event(event, library)
    require_access(event, library, by)


def check_event(event: Json, library: Library) -> None:
    """Raise BadParameter unless the event, complete with its defaults, is valid."""
    plugin = _check_general(event, library)
    _check_targets(event)
    _check_expression(event.get("expression"))
    _check_tags(event.get("tags"), library)
    check_triggers(event.get("triggers"), event.get("fields"), library)
    check_limits(event.get("limits"))
    check_actions(event.get("actions"), library)
    locked = {id for id, _ in locked_ids(plugin.get("params"))} if plugin else set[str]()
    check_event_fields(event.get("fields"), locked)
    if is_workflow(event):
        check_workflow(event.get("workflow"), library)


def _check_general(event: Json, library: Library) -> Json | None:
    """Returns the plugin; None for virtual ones."""
    if not is_text(event.get("title")):
        raise BadParameter("Malformed event parameter: title")
    enabled = event.get("enabled", False)
    if not isinstance(enabled, (bool, int, float)) or not _ENABLED.fullmatch(text_of(enabled)):
        raise BadParameter("Malformed event parameter: enabled")
    algo = event.get("algo")
    if truthy(algo):
        check_algo(algo, library)
    if algo == "multiplex" and is_workflow(event):
        raise BadParameter("Malformed event parameter: algo (workflows have the multiplex controller)")
    notes = event.get("notes")
    if notes is not None and not isinstance(notes, str):
        raise BadParameter("Malformed event parameter: notes")
    if event.get("stagger") is not None and not is_number(event["stagger"]):
        raise BadParameter("Malformed event parameter: stagger")
    plugin_id = event.get("plugin")
    if not truthy(plugin_id):
        raise BadParameter("Event has no plugin specified.")
    for key in ("category", "plugin"):
        if not is_word(event.get(key)):
            raise BadParameter(f"Malformed event parameter: {key}")
    params = event.get("params")
    if not isinstance(params, dict):
        raise BadParameter("Malformed event parameter: params (must be object)")
    refuse_reserved(params, "Event")
    if library.get("categories", event["category"]) is None:
        raise BadParameter(f"Category not found: {event['category']}")
    if is_virtual(event["plugin"]):
        return None
    plugin = library.get("plugins", event["plugin"])
    if plugin is None:
        raise BadParameter(f"Plugin not found: {event['plugin']}")
    check_values(params, plugin.get("params"), "Event Plugin")
    return plugin


def _check_targets(event: Json) -> None:
    targets = event.get("targets")
    if not targets and not is_workflow(event) and (targets is None or isinstance(targets, list)):
        raise BadParameter("Event has no targets specified.")
    if not isinstance(targets, list):
        raise BadParameter("Malformed event parameter: targets (must be array)")
    for target in targets:
        if not isinstance(target, str) or not target:
            raise BadParameter(f"Malformed target: {shown(target)}")


def _check_expression(expression: Any) -> None:
    if not truthy(expression):
        return
    if not isinstance(expression, str):
        raise BadParameter("Malformed event parameter: expression")
    try:
        compile_expression(expression)
    except ExpressionError as error:
        raise BadParameter(f"Failed to compile target expression: {error}") from None


def _check_tags(tags: Any, library: Library) -> None:
    if tags is None:
        return
    if not isinstance(tags, list):
        raise BadParameter("Malformed event parameter: tags (must be array)")
    for tag in tags:
        if not is_word(tag):
            raise BadParameter(f"Malformed tag: {shown(tag)}")
        if library.get("tags", tag) is None:
            raise BadParameter(f"Unknown tag: {tag}")


def require_own_access(event: Json, by: Writer) -> None:
    """The caller may use the event's own category and targets. Raises AccessDenied."""
    by.require_category(_string(event.get("category")))
    by.require_targets(_strings(event.get("targets")))


def require_added_targets(stored: Json, event: Json, by: Writer) -> None:
    """Whoever is limited to groups adds no target but these: one allowed group opened all others beside it.

    Targets that were there before stay usable: who may see the event may go on editing it. Raises AccessDenied.
    """
    if not by.admin:
        for target in sorted(_targets(event) - _targets(stored)):
            by.require_group(target)


def _targets(event: Json) -> set[str]:
    """All that an event and the nodes of its graph name."""
    found = set(_strings(event.get("targets")))
    for node in nodes_of(event.get("workflow")):
        found.update(_strings(data_of(node).get("targets")))
    return found


def require_access(event: Json, library: Library, by: Writer, *, tolerant: bool = False) -> None:
    """The caller may use the event's category and targets, and all that its workflow's nodes name.

    Sub-workflows are looked into once each. Raises AccessDenied, and BadParameter for a missing event unless
    `tolerant`: a workflow that lost one must stay editable. Jobs that nodes replay are left to the caller
    (`workflow_graph.replayed_jobs`).
    """
    require_own_access(event, by)
    if not is_workflow(event) or by.admin:
        return
    seen = {event.get("id")}
    waiting = [event.get("workflow")]
    while waiting:
        for node in nodes_of(waiting.pop()):
            data = data_of(node)
            if node.get("type") == "job":
                by.require_category(_string(data.get("category")))
                by.require_targets(_strings(data.get("targets")))
            elif node.get("type") == "event":
                nested = _nested(data, library)
                if nested is None:
                    if tolerant:
                        continue
                    raise BadParameter(f"Unknown Event ID: {shown(data.get('event'))}")
                by.require_category(_string(nested.get("category")))
                by.require_targets(_strings(nested.get("targets")))
                if targets := _strings(data.get("targets")):
                    by.require_targets(targets)
                if is_workflow(nested) and nested["id"] not in seen:
                    seen.add(nested["id"])
                    waiting.append(nested.get("workflow"))


def _nested(data: Json, library: Library) -> Json | None:
    id = data.get("event")
    return library.get("events", id) if isinstance(id, str) else None


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
