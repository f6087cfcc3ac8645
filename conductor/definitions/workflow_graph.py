"""Structure of a workflow's graph (contract api/events.yaml validation.workflow, structures/workflow.yaml).

Whether the caller may use what the nodes name is a matter of `event_rules`.
"""

from collections.abc import Iterator
from typing import Any

from conductor.definitions.algos import check_algo
from conductor.definitions.json_values import Json, is_number, number_of, truthy
from conductor.definitions.kind import Library
from conductor.definitions.params import check_values, refuse_reserved
from conductor.definitions.text import WORD, has_markup, is_icon, shown
from conductor.errors import BadParameter
from shared.expressions import ExpressionError, compile_expression
from shared.schema.reserved import RESERVED_WORDS

NODE_TYPES = frozenset(["event", "job", "limit", "trigger", "action", "controller", "note"])
CONTROLLERS = frozenset(["multiplex", "repeat", "split", "join", "decision", "wait"])
_NUMBERS = ("repeat", "stagger", "continue", "chunk", "wait", "need", "timeout")
_EXPRESSIONS = ("split", "filter", "decision")
_SHORT_TEXTS = ("title", "label")
_ARRAYS = ("targets", "tags")
_TEXTS = ("algo", "expression", "category", "replay")


def check_workflow(workflow: Any, library: Library) -> None:
    """Raise BadParameter unless `workflow` has well-formed nodes and connections between them."""
    if not truthy(workflow):
        raise BadParameter("Event has no workflow object specified.")
    if not isinstance(workflow, dict):
        raise BadParameter("Event has an invalid workflow object specified.")
    for key in ("nodes", "connections"):
        if workflow.get(key) is None:
            raise BadParameter(f"Event has no workflow {key} specified.")
        if not isinstance(workflow[key], list):
            raise BadParameter(f"Event has invalid workflow {key} specified.")
    if workflow.get("start") is not None and not isinstance(workflow["start"], str):
        raise BadParameter("Event has an invalid workflow start node specified.")
    ids: set[str] = set()
    for number, node in enumerate(workflow["nodes"], 1):
        ids.add(_check_node(number, node, ids, library))
    _check_connections(workflow["connections"], ids)


def nodes_of(workflow: Any) -> Iterator[Json]:
    """The well-formed nodes of any stored workflow."""
    nodes = workflow.get("nodes") if isinstance(workflow, dict) else None
    for node in nodes if isinstance(nodes, list) else ():
        if isinstance(node, dict):
            yield node


def data_of(node: Json) -> Json:
    data = node.get("data")
    return data if isinstance(data, dict) else {}


def replayed_jobs(workflow: Any) -> list[str]:
    """IDs of the finished jobs that nodes replay; the caller needs access to those that still exist."""
    replays = (data_of(node).get("replay") for node in nodes_of(workflow))
    return [replay for replay in replays if isinstance(replay, str) and replay]


def _check_node(number: int, node: Any, ids: set[str], library: Library) -> str:
    if not isinstance(node, dict):
        raise BadParameter(f"Workflow node #{number} is not an object.")
    id = node.get("id")
    if not truthy(id):
        raise BadParameter(f"Workflow node #{number} has no ID (id) property.")
    prefix = f"Malformed workflow node #{shown(id)}"
    checked = _check_id(id, "Node", prefix, ids)
    type_ = node.get("type")
    if not truthy(type_):
        raise BadParameter(f"{prefix}: Node is missing a type")
    if not isinstance(type_, str):
        raise BadParameter(f"{prefix}: Node type is not a string")
    if type_ not in NODE_TYPES:
        raise BadParameter(f"{prefix}: Node type is invalid")
    for axis in ("x", "y"):
        if not is_number(node.get(axis)):
            raise BadParameter(f"{prefix}: {axis.upper()} coordinate is invalid")
    data = node.get("data")
    if data is not None and not isinstance(data, dict):
        raise BadParameter(f"{prefix}: Node data is not an object")
    if data is None and type_ not in ("trigger", "note"):
        raise BadParameter(f"{prefix}: Node data is not an object")
    _check_data(type_, data or {}, prefix, library)
    return checked


def _check_id(id: Any, what: str, prefix: str, ids: set[str]) -> str:
    if not isinstance(id, str):
        raise BadParameter(f"{prefix}: {what} ID is not a string")
    if id in RESERVED_WORDS:
        raise BadParameter(f"{prefix}: Invalid ID parameter")
    if not WORD.fullmatch(id):
        raise BadParameter(f"{prefix}: {what} ID is not alphanumeric")
    if id in ids:
        raise BadParameter(f"{prefix}: Duplicate {what} ID")
    return id


def _check_data(type_: str, data: Json, prefix: str, library: Library) -> None:
    for key in _SHORT_TEXTS:
        if data.get(key) is not None and (not isinstance(data[key], str) or has_markup(data[key])):
            raise BadParameter(f"{prefix}: Node data.{key} is illegal")
    if data.get("icon") is not None and not is_icon(data["icon"]):
        raise BadParameter(f"{prefix}: Node data.icon is illegal")
    if type_ == "event":
        event = _named(data, "event", "events", library)
        if event is None:
            raise BadParameter(f"{prefix}: Unknown Event ID: {shown(data.get('event'))}")
        _check_run(data, event.get("fields"), f"{prefix}: Event", prefix, library)
    elif type_ == "job":
        plugin = _named(data, "plugin", "plugins", library)
        if plugin is None:
            raise BadParameter(f"{prefix}: Unknown Plugin ID: {shown(data.get('plugin'))}")
        _check_run(data, plugin.get("params"), f"{prefix}: Plugin", prefix, library)
    elif type_ == "controller":
        if not isinstance(data.get("controller"), str) or data["controller"] not in CONTROLLERS:
            raise BadParameter(f"{prefix}: Unknown controller: {shown(data.get('controller'))}")
        _check_controller(data, prefix)
    elif type_ == "action" and data.get("type") == "plugin":
        plugin = _named(data, "plugin_id", "plugins", library)
        if plugin is None or plugin.get("type") != "action":
            raise BadParameter(f"{prefix}: Unknown Action Plugin ID: {shown(data.get('plugin_id'))}")
        check_values(_params_of(data, prefix), plugin.get("params"), f"{prefix}: Action Plugin")


def _check_controller(data: Json, prefix: str) -> None:
    """Numbers that are none and expressions that do not compile could only fail when the workflow runs."""
    for key in _NUMBERS:
        value = data.get(key)
        if value not in (None, "") and number_of(value) is None:
            raise BadParameter(f"{prefix}: Node data.{key} is not a number")
    for key in _EXPRESSIONS:
        text = data.get(key)
        if text in (None, ""):
            continue
        if not isinstance(text, str):
            raise BadParameter(f"{prefix}: Node data.{key} is not a string")
        try:
            compile_expression(text)
        except ExpressionError as error:
            raise BadParameter(f"{prefix}: Node data.{key} cannot be compiled: {error}") from None


def _named(data: Json, key: str, kind: str, library: Library) -> Json | None:
    id = data.get(key)
    return library.get(kind, id) if isinstance(id, str) else None


def _check_run(data: Json, fields: Any, owner: str, prefix: str, library: Library) -> None:
    """What an event node and a job node have in common."""
    for key in _ARRAYS:
        values = data.get(key)
        if values is not None and not (
            isinstance(values, list) and all(isinstance(it, str) for it in values)
        ):
            raise BadParameter(f"{prefix}: Node data.{key} is not an array of strings")
    for key in _TEXTS:
        if data.get(key) is not None and not isinstance(data[key], str):
            raise BadParameter(f"{prefix}: Node data.{key} is not a string")
    if truthy(data.get("algo")):
        check_algo(data["algo"], library, f"{prefix}: Node data")
    if data.get("algo") == "multiplex":
        raise BadParameter(f"{prefix}: Node algo cannot be multiplex; use the multiplex controller")
    check_values(_params_of(data, prefix), fields, owner)


def _params_of(data: Json, prefix: str) -> Json:
    params = data.get("params")
    if params is not None and not isinstance(params, dict):
        raise BadParameter(f"{prefix}: Node data.params is not an object")
    refuse_reserved(params or {}, prefix)
    return params or {}


def _check_connections(connections: list[Any], nodes: set[str]) -> None:
    ids: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    for number, wire in enumerate(connections, 1):
        if not isinstance(wire, dict):
            raise BadParameter(f"Workflow connection #{number} is not an object.")
        if not truthy(wire.get("id")):
            raise BadParameter(f"Workflow connection #{number} has no ID (id) property.")
        prefix = f"Malformed workflow connection #{shown(wire['id'])}"
        ids.add(_check_id(wire["id"], "Connection", prefix, ids))
        ends: list[str] = []
        for key, name in (("source", "source"), ("dest", "destination")):
            end = wire.get(key)
            if not isinstance(end, str) or end not in nodes:
                raise BadParameter(f"{prefix}: Connection {name} node is invalid")
            ends.append(end)
        pair = (ends[0], ends[1])
        if pair in pairs:
            raise BadParameter(f"{prefix}: Duplicate source/destination node pair")
        pairs.add(pair)
        condition = wire.get("condition")
        if condition is not None and not isinstance(condition, str):
            raise BadParameter(f"{prefix}: Connection condition is not a string")
