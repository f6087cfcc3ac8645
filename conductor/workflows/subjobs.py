"""What a node of a workflow launches: an event's document, ready to be composed into a job.

Contract workflows.md §4, in the order of its list. Pure.
"""

from collections.abc import Mapping
from typing import Any, Final

from conductor.errors import Refusal
from conductor.workflows.graph import Graph, Node
from conductor.workflows.run import Json, Launch

Doc = Mapping[str, Any]

_FROM_NODE: Final = ("targets", "expression", "algo", "tags")
_TEST_FLAGS: Final = ("test", "test_actions", "test_limits", "test_conditions")
_INHERITED: Final = ("invisible", "ephemeral")
_OVERRIDE: Final = "_xy_override_"


def manual_trigger(event: Doc) -> str | None:
    """The ID of the enabled manual trigger by which a workflow is started from another one."""
    triggers = event.get("triggers")
    for trigger in triggers if isinstance(triggers, list) else ():
        if isinstance(trigger, Mapping) and trigger.get("enabled") and trigger.get("type") == "manual":
            return str(trigger.get("id") or "")
    return None


def event_of(
    parent: Doc, graph: Graph, launch: Launch, *, event: Doc | None, shared: Doc, moment: float
) -> tuple[Json, Json]:
    """(event document, properties that go onto the job as they are).

    `event` is the node's event (event nodes) or None, `shared` the run's workflowData. Raises Refusal
    (`event`) when the node can launch nothing.
    """
    node = graph.nodes[launch.node]
    doc = _of_event(node, event) if node.type == "event" else _of_job(parent, node)
    link: Json = {
        "event": parent["event"],
        "job": parent["id"],
        "node": node.id,
        "launcher": launch.flow.launcher,
        "params": parent.get("params") or {},
        "now": parent.get("now"),
    }
    doc["workflow"] = {**doc.get("workflow", {}), **link}
    if launch.flow.wire:
        doc["workflow"]["wire"] = launch.flow.wire
    doc.update({key: node.data[key] for key in _FROM_NODE if node.data.get(key)})
    if parent.get("targets"):
        doc["targets"] = list(parent["targets"])
    if launch.targets is not None:
        doc["targets"] = launch.targets
    doc.update({key: parent[key] for key in (*_TEST_FLAGS, *_INHERITED) if key in parent})
    params = parent.get("params") or {}
    doc["params"] = {
        **doc.get("params", {}),
        **{name: value for name, value in params.items() if name.startswith(_OVERRIDE)},
    }
    limits, actions = graph.attached(node.id)
    doc["limits"] = [*_entries(doc, "limits"), *limits]
    doc["actions"] = [*_entries(doc, "actions"), *actions]
    extra: Json = {"input": launch.flow.input or {}, "workflowData": dict(shared)}
    if launch.flow.parent:
        extra["parent"] = launch.flow.parent
    if launch.delay > 0:
        extra["state"] = "start_delay"
        extra["until"] = moment + launch.delay
    return doc, extra


def _of_event(node: Node, event: Doc | None) -> Json:
    if event is None:
        raise Refusal("event", f"Event not found: {node.data.get('event')}")
    doc = dict(event)
    doc["params"] = {**(event.get("params") or {}), **_params(node)}
    if event.get("type") == "workflow":
        start = manual_trigger(event)
        if start is None:
            raise Refusal("event", f"Workflow has no enabled manual trigger: {event.get('title')}")
        doc["workflow"] = {**event["workflow"], "start": start}
    else:
        doc.pop("workflow", None)
    return doc


def _of_job(parent: Doc, node: Node) -> Json:
    data = node.data
    doc: Json = {
        "id": parent["event"],
        "title": str(data.get("label") or "Ad-hoc job"),
        "enabled": True,
        "type": "adhoc",
        "plugin": data.get("plugin"),
        "category": data.get("category") or parent.get("category"),
        "targets": data.get("targets") or [],
        "algo": data.get("algo") or "random",
        "params": _params(node),
    }
    for key, becomes in (("label", "plabel"), ("icon", "picon")):
        if data.get(key):
            doc[becomes] = data[key]
    return doc


def _params(node: Node) -> Json:
    params = node.data.get("params")
    return dict(params) if isinstance(params, Mapping) else {}


def _entries(doc: Json, key: str) -> list[Any]:
    entries = doc.get(key)
    return list(entries) if isinstance(entries, list) else []
